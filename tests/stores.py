"""The two stores of a test run: real PostgreSQL and real Valkey, started once, stopped at the end.

A pytest plugin (``-p tests.stores``) rather than a conftest, because Django reads its settings before conftests load.
With ``-n``, each process that runs tests has stores of its own: tests empty them.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from loremotion.local.ports import free_port
from loremotion.local.postgres import Postgres
from loremotion.local.valkey import Valkey

OWN = "TESTS_OWN_VARIABLES"
"""Names of the variables that this plugin has set, so that a process does not take its parent's stores for given."""


def start() -> None:
    """Set ``DATABASE_URL`` and ``REDIS_URL`` to servers of this process's own, unless the environment names others."""
    for name in os.environ.pop(OWN, "").split():
        del os.environ[name]
    given = set(os.environ)
    folder = Path(tempfile.mkdtemp(prefix="loremotion-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if "DATABASE_URL" not in os.environ:
        postgres = Postgres(folder / "postgres", free_port(), is_durable=False)
        postgres.start()
        atexit.register(postgres.stop)
        os.environ["DATABASE_URL"] = postgres.url("loremotion")
    if "REDIS_URL" not in os.environ:
        valkey = Valkey(folder / "valkey", free_port(), is_durable=False)
        valkey.start()
        atexit.register(valkey.stop)
        os.environ["REDIS_URL"] = valkey.url()
    os.environ.setdefault("MEDIA_DIR", str(folder / "media"))
    os.environ.setdefault("DEBUG", "1")  # static files by their own names; pytest-django turns DEBUG itself off
    os.environ.setdefault("SECRET_KEY", "a key for tests only, long enough to be taken for a real one")
    os.environ[OWN] = " ".join({"DATABASE_URL", "REDIS_URL", "MEDIA_DIR"} - given)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    start()
