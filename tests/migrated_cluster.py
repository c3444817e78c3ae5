"""A PostgreSQL cluster that holds the tests' database as the migrations leave it, made once a run.

``initdb`` and the migrations take ten seconds of a core, a copy of what they leave a fraction of one, and each process
that runs tests has a server of its own. The making begins with the run, in a process of its own, so that it is over
about when the tests have been found.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

from loremotion.local.ports import free_port
from loremotion.local.postgres import Postgres
from loremotion.local.secret_files import secret, write_secretly

ROOT = Path(__file__).parents[1]
NAME = "loremotion"
DATABASE = f"test_{NAME}"
"""What Django calls it."""


def begin(shared: Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start making the cluster of the run whose folder is ``shared``."""
    return subprocess.Popen([sys.executable, "-m", __name__, str(shared)], cwd=ROOT, env=environment)


def planned(shared: Path, folder: Path, port: int, environment: Mapping[str, str] | None = None) -> Postgres:
    """A server of the run, not started yet, whose address is known: all of them have one password."""
    folder.mkdir(parents=True)
    write_secretly(folder / "password", secret(shared, "cluster.password", chance_bytes=24))
    return Postgres(folder, port, is_durable=False, environment=environment)


def lay(server: Postgres, shared: Path, *, database: str) -> None:
    """Start ``server`` on a copy of the cluster, which has the tests' database under this name and no other.

    Makes the cluster where nobody has yet, and waits for whoever is about it.

    Raises:
        CalledProcessError: it could not be made; its process has said why.
    """
    if not (shared / "cluster").exists():
        subprocess.run([sys.executable, "-m", __name__, str(shared)], cwd=ROOT, check=True)
    shutil.copytree(shared / "cluster" / "data", server.data, symlinks=True)
    server.start()
    if database == DATABASE:
        return
    new, old = Identifier(database), Identifier(DATABASE)
    with psycopg.connect(server.url("template1"), autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE IF EXISTS {}").format(new))
        connection.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(old, new))


def make(shared: Path) -> None:
    """Make the cluster, unless somebody has by the time that it is this process's turn."""
    with (shared / "cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (shared / "cluster").exists():
            return
        making = shared / "cluster.unfinished"
        shutil.rmtree(making, ignore_errors=True)  # of somebody who was killed
        server = planned(shared, making, free_port())
        server.start()
        try:
            migrate(server)
        finally:
            server.stop()
        making.rename(shared / "cluster")


def migrate(server: Postgres) -> None:
    """Make the tests' database as pytest-django does."""
    os.environ["DATABASE_URL"] = server.url(NAME)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loremotion.settings")
    import django

    django.setup()
    from django.db import connection

    connection.creation.create_test_db(verbosity=0, serialize=False)
    connection.close()


if __name__ == "__main__":
    make(Path(sys.argv[1]))
