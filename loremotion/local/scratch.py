"""One command against stores that are made for it and thrown away after it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from loremotion.local.environment import environment_of, settings_of
from loremotion.local.ports import free_port
from loremotion.local.preparation import make_signing_certificate
from loremotion.local.stores import Stores


def run_with_stores(command: Sequence[str]) -> int:
    """Run ``command`` with the settings of a fresh machine and empty stores. Returns its exit status."""
    with tempfile.TemporaryDirectory(prefix="loremotion-stores-") as scratch:
        stores = Stores(Path(scratch), is_durable=False)
        try:
            stores.start()
            settings = settings_of(Path(scratch), port=free_port(), stores=stores, chosen=os.environ)
            make_signing_certificate(settings)
            return subprocess.run(list(command), env=environment_of(settings), check=False).returncode
        finally:
            stores.stop()
