"""Which workspace a connection of the database sees now."""

from __future__ import annotations

from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, connections

from loremotion.row_security.base import DatabaseWrapper

OURS, THEIRS = UUID(int=1), UUID(int=2)


def own_connection() -> DatabaseWrapper:
    """This thread's, itself: what ``django.db.connection`` stands for."""
    own = connections[DEFAULT_DB_ALIAS]
    assert isinstance(own, DatabaseWrapper)
    return own


def in_force() -> tuple[str, str]:
    """Role and workspace as the database has them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('role'), current_setting('loremotion.workspace', true)")
        role, workspace = cursor.fetchone()
        return role, workspace or ""
