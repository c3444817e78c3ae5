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
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest

from loremotion.local import orphans
from loremotion.local.ports import free_port
from loremotion.local.postgres import Postgres
from loremotion.local.valkey import Valkey
from tests import migrated_cluster

OWN = "TESTS_OWN_VARIABLES"
"""Names of the variables that this plugin has set, so that a process does not take its parent's stores for given."""
RUN = "TESTS_RUN_FOLDER"
"""Names the folder that all processes of a run share. Whoever made it, the first of them, removes it."""
PREFIX = "loremotion-tests-"
ALIVE = "alive"
"""A file in the folder of each process, which that process holds locked as long as it lives."""

_locks: list[IO[str]] = []
_planned: list[tuple[Postgres, socket.socket]] = []
"""PostgreSQL while its address is known and nobody needs it yet, and what keeps its port."""


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
        port = socket.create_server(("127.0.0.1", 0))
        postgres = migrated_cluster.planned(
            Path(os.environ[RUN]), folder / "postgres", port.getsockname()[1], environment
        )
        _planned.append((postgres, port))
        os.environ["DATABASE_URL"] = postgres.url(migrated_cluster.NAME)
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
    if _planned and os.environ[RUN] == str(folder):
        atexit.register(migrated_cluster.begin(folder, os.environ | {orphans.MARK: mark}).kill)


def has_own_database() -> bool:
    """Whether the database is that of this process, and not one that the environment names."""
    return "DATABASE_URL" in os.environ[OWN].split()


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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Start PostgreSQL, in a process that runs tests."""
    while _planned and not session.config.option.collectonly:
        postgres, port = _planned.pop()
        atexit.register(postgres.stop)
        port.close()
        worker = os.environ.get("PYTEST_XDIST_WORKER")
        database = "_".join(filter(None, (migrated_cluster.DATABASE, worker)))  # as pytest-django calls it
        migrated_cluster.lay(postgres, Path(os.environ[RUN]), database=database)
