"""The two stores of a test run: real PostgreSQL and real Valkey, started once, stopped at the end.

A pytest plugin (``-p tests.stores``) rather than a conftest, because Django reads its settings before conftests load.
With ``-n``, each process that runs tests has stores of its own: tests empty them.

A run that is killed leaves nothing for long: its stores end with it, its folders go when the next one begins.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest

from loremotion.local import orphans
from loremotion.local.ports import free_port
from loremotion.local.postgres import Postgres
from loremotion.local.valkey import Valkey

OWN = "TESTS_OWN_VARIABLES"
"""Names of the variables that this plugin has set, so that a process does not take its parent's stores for given."""
RUN = "TESTS_RUN_FOLDER"
"""Names the folder that all processes of a run share. Whoever made it, the first of them, removes it."""
PREFIX = "loremotion-tests-"
ALIVE = "alive"
"""A file in the folder of each process, which that process holds locked as long as it lives."""

_locks: list[IO[str]] = []


def start() -> None:
    """Set ``DATABASE_URL`` and ``REDIS_URL`` to servers of this process's own, unless the environment names others."""
    for name in os.environ.pop(OWN, "").split():
        del os.environ[name]
    given = set(os.environ)
    remove_folders_of_the_dead()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    hold(folder)
    os.environ.setdefault(RUN, str(folder))
    mark = secrets.token_hex(8)
    environment = {**os.environ, orphans.MARK: mark}
    atexit.register(orphans.start_watcher(mark).kill)
    if "DATABASE_URL" not in os.environ:
        postgres = Postgres(folder / "postgres", free_port(), is_durable=False, environment=environment)
        postgres.start()
        atexit.register(postgres.stop)
        os.environ["DATABASE_URL"] = postgres.url("loremotion")
    if "REDIS_URL" not in os.environ:
        valkey = Valkey(folder / "valkey", free_port(), is_durable=False, environment=environment)
        valkey.start()
        atexit.register(valkey.stop)
        os.environ["REDIS_URL"] = valkey.url()
    os.environ.setdefault("MEDIA_DIR", str(folder / "media"))
    os.environ.setdefault("DEBUG", "1")  # static files by their own names; pytest-django turns DEBUG itself off
    os.environ.setdefault("API_CHANGES_PER_MINUTE", "100000")  # tests share a network, and are quicker than people
    os.environ.setdefault("SECRET_KEY", "a key for tests only, long enough to be taken for a real one")
    os.environ[OWN] = " ".join({"DATABASE_URL", "REDIS_URL", "MEDIA_DIR"} - given)


def hold(folder: Path) -> None:
    """Keep the folder from ``remove_folders_of_the_dead`` until this process ends, however it does."""
    lock = (folder / "new").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / "new").rename(folder / ALIVE)  # locked before anybody finds it
    _locks.append(lock)


def remove_folders_of_the_dead() -> None:
    """Remove the folders of processes that were killed."""
    for alive in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{ALIVE}"):
        with suppress(OSError), alive.open() as lock:  # held by who lives, or gone meanwhile
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(alive.parent, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    start()
