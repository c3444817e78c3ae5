"""Databases with nothing but the ledger in them, for tests that commit or need several connections."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg.sql import SQL, Identifier

import billing
from billing.sql import KERNEL

ROOT = Path(billing.__file__).parent.parent


@dataclass(frozen=True)
class LedgerDatabase:
    """A database with the ledger's tables and functions. ``url`` is what DATABASE_URL would be."""

    url: str

    def connect(self) -> psycopg.Connection:
        """A connection that commits each statement, and that gives up where it would wait long."""
        connection = psycopg.connect(self.url, autocommit=True)
        connection.execute("SET lock_timeout = '20s'")
        return connection

    def install(self) -> None:
        with self.connect() as connection:
            for part in KERNEL:
                connection.execute(part.encode())

    def violations(self) -> list[tuple[object, ...]]:
        with self.connect() as connection:
            return connection.execute("SELECT * FROM ledger_violations").fetchall()

    def start(self, module: str, *arguments: object) -> subprocess.Popen[str]:
        """A Python process that has Django set up with this database and little else."""
        return subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=ROOT,
            env=os.environ | {"LEDGER_URL": self.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@contextmanager
def scratch_database(server_url: str) -> Iterator[LedgerDatabase]:
    """A database on the server, dropped in the end."""
    name = f"ledger_{uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(SQL("CREATE DATABASE {} TEMPLATE template0").format(Identifier(name)))
        try:
            ledger_db = LedgerDatabase(server_url.rpartition("/")[0] + f"/{name}")
            ledger_db.install()
            yield ledger_db
        finally:
            server.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def set_up_django() -> None:
    """In a process that ``LedgerDatabase.start`` began: just enough of Django for ``billing.ledger``."""
    import dj_database_url
    import django
    from django.conf import settings

    settings.configure(
        DATABASES={"default": dj_database_url.parse(os.environ["LEDGER_URL"])},
        INSTALLED_APPS=["billing"],
        USE_TZ=True,
    )
    django.setup()
