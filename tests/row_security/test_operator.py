"""A PostgreSQL as one rents it: no superuser, a user that may make roles, or one that may not even that."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import psycopg
import pytest
from pytest_django import Settings

from loremotion.local.ports import free_port
from loremotion.local.postgres import Postgres
from loremotion.row_security import role
from loremotion.row_security.role import NoWebRole

ROOT = Path(__file__).parent.parent.parent

FIRST = """
from django.core.management import call_command
from django.test import Client
from catalog.seed import seed
from accounts.models import Workspace
from generation.models import Generation
call_command("migrate", verbosity=0)
seed()
answers = [Client().post("/generations/", {"prompt": "a red circle", "model": "preview"}, headers={"host": "127.0.0.1"})
    for _ in range(2)]
assert [answer.status_code for answer in answers] == [302, 302], answers[0].content
assert Generation.objects.count() == Workspace.objects.count() == 2
"""
"""Two newcomers, each with a clip to come: accounts, ledger, catalogue and queue, all through requests."""
TRACES = """
SELECT 'policy', polrelid::regclass::text FROM pg_policy
UNION ALL SELECT 'bound table', relname FROM pg_class WHERE relrowsecurity
UNION ALL SELECT 'function', proname FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'row\\_security%'
UNION ALL SELECT 'privilege', relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relacl::text LIKE '%loremotion_web%'
UNION ALL SELECT 'default privilege', defaclacl::text FROM pg_default_acl
    WHERE defaclacl::text LIKE '%loremotion_web%'
"""
"""Whatever of the wall stands in a database."""
THERE_AND_BACK = """
import psycopg
from django.conf import settings
from django.core.management import call_command
from tests.row_security.test_operator import TRACES, before_the_wall
call_command("migrate", "accounts", before_the_wall(), verbosity=0)
with psycopg.connect(settings.DATABASE_URL) as connection:
    assert (left := connection.execute(TRACES).fetchall()) == [], left
call_command("migrate", verbosity=0)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server of its own, since roles belong to a whole server."""
    server = Postgres(tmp_path_factory.mktemp("rented"), free_port(), is_durable=False)
    server.start()
    with psycopg.connect(server.url(), autocommit=True) as superuser:
        superuser.execute("CREATE ROLE operator LOGIN CREATEROLE PASSWORD 'rented'")
        superuser.execute("CREATE ROLE tenant LOGIN PASSWORD 'rented'")
        for name in ("operator", "tenant"):
            superuser.execute(f"CREATE DATABASE {name} OWNER {name}")
    yield server
    server.stop()


def url_of(server: Postgres, name: str) -> str:
    return f"postgres://{name}:rented@127.0.0.1:{server.port}/{name}"


def manage(url: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def before_the_wall() -> str:
    """The migration of accounts that the wall's first one comes after."""
    (wall,) = (ROOT / "accounts" / "migrations").glob("*_row_security.py")
    return str(dict(import_module(f"accounts.migrations.{wall.stem}").Migration.dependencies)["accounts"])


def test_without_a_superuser_the_site_makes_its_role_and_runs_behind_the_wall(server: Postgres) -> None:
    url = url_of(server, "operator")
    first = manage(url, "shell", "--no-imports", "--command", FIRST)
    assert first.returncode == 0, first.stderr
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET ROLE loremotion_web")
        for table in ("generation_generation", "ledger_hold", "accounts_workspace"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608 - a table's name
        connection.execute("RESET ROLE")
        assert connection.execute("SELECT count(*) FROM generation_generation").fetchone() == (2,)

        back = manage(url, "shell", "--no-imports", "--command", THERE_AND_BACK)
        assert back.returncode == 0, back.stderr
        assert len(connection.execute(TRACES).fetchall()) > 40


def test_who_may_make_no_role_is_told_what_an_administrator_does(server: Postgres, settings: Settings) -> None:
    url = settings.DATABASE_URL = url_of(server, "tenant")
    refused = manage(url, "migrate", "accounts", "--verbosity", "0")
    assert refused.returncode != 0
    for words in ("ROW_LEVEL_SECURITY", "CREATE ROLE loremotion_web NOLOGIN", "GRANT loremotion_web TO"):
        assert words in refused.stderr.splitlines()[-1]
    with pytest.raises(NoWebRole, match=r"permission denied|does not exist"):
        role.refuse_without()

    without = manage(url, "migrate", "accounts", "--verbosity", "0", ROW_LEVEL_SECURITY="False")
    assert without.returncode == 0, without.stderr
    settings.ROW_LEVEL_SECURITY = False
    role.refuse_without()

    settings.ROW_LEVEL_SECURITY = True
    assert manage(url, "web_role").returncode != 0
    with psycopg.connect(server.url(), autocommit=True) as superuser:
        if superuser.execute("SELECT FROM pg_roles WHERE rolname = 'loremotion_web'").fetchone() is None:
            superuser.execute("CREATE ROLE loremotion_web NOLOGIN")
        superuser.execute("GRANT loremotion_web TO tenant")
    made = manage(url, "web_role")
    assert made.returncode == 0, made.stderr
    role.refuse_without()


def test_a_database_that_is_away_does_not_keep_the_web_from_starting(settings: Settings) -> None:
    settings.DATABASE_URL = f"postgres://nobody@127.0.0.1:{free_port()}/nothing"
    role.refuse_without()


def test_a_role_that_passes_by_the_wall_is_refused(server: Postgres, settings: Settings) -> None:
    with psycopg.connect(server.url(), autocommit=True) as superuser:
        if superuser.execute("SELECT FROM pg_roles WHERE rolname = 'loremotion_web'").fetchone() is None:
            superuser.execute("CREATE ROLE loremotion_web NOLOGIN")
        superuser.execute("ALTER ROLE loremotion_web BYPASSRLS")
        try:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="passes by row-level security"):
                superuser.execute(role.MAKE)
        finally:
            superuser.execute("ALTER ROLE loremotion_web NOBYPASSRLS")
