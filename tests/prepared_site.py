"""A site's folder as its first start leaves it: a test that does not test that start begins with a copy.

Making it (the migrated database, the seed, the preview model) takes seconds of two cores, a copy takes a fraction of
one, and a dozen modules start a site of their own.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from loremotion.local.ports import free_port
from loremotion.local.stack import Stack
from tests import migrated_cluster, stores

NewSite = Callable[[str], Path]


@pytest.fixture(scope="session")
def new_site() -> NewSite:
    """Makes a folder, named after its argument, for a ``Stack`` that finds everything prepared in it."""
    shared = Path(os.environ[stores.RUN])
    prepared = shared / "prepared"

    def make(name: str) -> Path:
        with (shared / "prepared.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not prepared.exists():
                prepare(shared)
        return shutil.copytree(prepared, Path(tempfile.mkdtemp(prefix=f"{name}-", dir=shared)) / "site", symlinks=True)

    return make


def prepare(shared: Path) -> None:
    """Lay the folder ``prepared`` there, over the tables of the run's cluster."""
    folder = shared / "preparing"
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt that failed
    postgres = migrated_cluster.planned(shared, folder / "postgres", free_port())
    migrated_cluster.lay(postgres, shared, database="postgres")  # the one that a site on one machine has
    postgres.stop()
    with Stack(folder, processes=()):
        pass
    folder.rename(shared / "prepared")
