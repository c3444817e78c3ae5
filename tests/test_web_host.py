"""A web host has no torch: the whole site loads and answers where nothing that renders can be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys

RENDERS = {"torch", "diffusers", "transformers", "accelerate", "torchao", "peft", "av", "psutil"}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in RENDERS:
            raise ModuleNotFoundError(f"No module named {name!r} on a web host", name=name)

sys.meta_path.insert(0, Absent())
import loremotion.asgi
from loremotion import row_security
assert row_security.sight() == row_security.NOTHING  # outside of requests
from django.core.management import call_command
from django.urls import get_resolver
call_command("check")
assert len(get_resolver().url_patterns) > 5
assert not RENDERS & set(sys.modules), RENDERS & set(sys.modules)
print("served without", ", ".join(sorted(RENDERS)))
"""


def test_the_site_loads_where_nothing_that_renders_is_installed() -> None:
    root = Path(__file__).parent.parent
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "served without" in ran.stdout
