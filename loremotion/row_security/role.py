"""The role that requests run as: made by the first migration that needs it, or by ``manage.py web_role``."""

from __future__ import annotations

import logging
from typing import Any

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import ProgrammingError, transaction
from psycopg.errors import InsufficientPrivilege

from loremotion.row_security import ROLE, Sight

logger = logging.getLogger(__name__)

# Several databases of one server share the role, so somebody may make it at this moment.
MAKE = f"""
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN
        BEGIN
            CREATE ROLE {ROLE} NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}' AND (rolsuper OR rolbypassrls)) THEN
        RAISE EXCEPTION 'the role {ROLE} passes by row-level security' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NOT pg_has_role(current_user, '{ROLE}',
        CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
    THEN
        GRANT {ROLE} TO CURRENT_USER;
    END IF;
END $$
"""  # noqa: S608 - the role's name is ours
# Later tables too: those of migrations to come, which need not think of it. TRUNCATE, which no policy stops, is not
# among them.
GRANT = f"""
GRANT USAGE ON SCHEMA public TO {ROLE};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {ROLE};
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {ROLE}
"""
REVOKE = f"""
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN
        ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM {ROLE};
        REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {ROLE};
        REVOKE USAGE ON SCHEMA public FROM {ROLE};
    END IF;
END $$
"""  # noqa: S608 - the role's name is ours


class NoWebRole(ImproperlyConfigured):
    """Requests cannot run as the role that row-level security binds."""

    def __init__(self, cause: str) -> None:
        super().__init__(
            f"ROW_LEVEL_SECURITY needs the role {ROLE}, and {cause}. Have an administrator of the database run "
            f'"CREATE ROLE {ROLE} NOLOGIN; GRANT {ROLE} TO <the user of DATABASE_URL>" and then run '
            f'"manage.py migrate" and "manage.py web_role", or set ROW_LEVEL_SECURITY=False to do without.'
        )


def prepare(connection: Any) -> None:
    """Make the role unless it is there, and let it reach the tables. Twice is once.

    Raises:
        NoWebRole: the user of ``DATABASE_URL`` may make no roles, and nobody has made this one for it.
    """
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(MAKE)
            cursor.execute(GRANT)
    except ProgrammingError as error:
        if not isinstance(error.__cause__, InsufficientPrivilege):
            raise
        raise NoWebRole(str(error).splitlines()[0]) from error


def withdraw(connection: Any) -> None:
    """Take back what ``prepare`` granted here. The role stays: another database may have it too."""
    with connection.cursor() as cursor:
        cursor.execute(REVOKE)


def prepare_in_migration(apps: Any, schema_editor: Any) -> None:
    """For ``RunPython``. Where the wall is switched off the role is not asked for."""
    if settings.ROW_LEVEL_SECURITY:
        prepare(schema_editor.connection)


def withdraw_in_migration(apps: Any, schema_editor: Any) -> None:
    withdraw(schema_editor.connection)


def refuse_without() -> None:
    """Refuse to start a web process whose every page would be an error, and say why.

    Raises:
        NoWebRole: the role is missing, may not be taken, or reaches no table.
    """
    if not settings.ROW_LEVEL_SECURITY:
        return
    try:
        with psycopg.connect(settings.DATABASE_URL, connect_timeout=5) as connection:
            connection.execute(Sight().sql)
            connection.execute("SELECT FROM accounts_workspace LIMIT 1")
    except psycopg.OperationalError as error:
        logger.warning("The database is away, so the role %s is not looked for: %s", ROLE, error)
    except psycopg.Error as error:
        raise NoWebRole(str(error).splitlines()[0]) from error
