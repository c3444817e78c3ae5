"""A minute in which everything dies while people use the site: see ``benchmarks.chaos``."""

from __future__ import annotations

import os
import subprocess
import sys

from loremotion.local.environment import ROOT
from tests.prepared_site import NewSite


def test_after_a_minute_of_deaths_nothing_is_lost_and_nothing_happened_twice(new_site: NewSite) -> None:
    """In a process of its own, which has the settings of the site and none of the tests'."""
    command = [sys.executable, "-m", "benchmarks.chaos", "--seed", "1", "--site", str(new_site("seed"))]
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr[-5_000:]
