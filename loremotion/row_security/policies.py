"""Migration operations that put a table behind the wall: one line for each table that carries a workspace.

``RunSQL`` in Django's terms, forward and backward. A table without its line makes ``tests/test_row_security.py`` fail.
"""

from __future__ import annotations

from typing import Final

from django.db.migrations import RunSQL

from loremotion.row_security import WORKSPACE

MINE: Final = "(SELECT row_security_workspace())"
"""The workspace that the session has entered, or NULL; worked out once a query."""


def workspace_function() -> RunSQL:
    """Make the function that the policies call. To be run before the first of them."""
    return RunSQL(
        f"""
        CREATE OR REPLACE FUNCTION row_security_workspace() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
        AS $$ SELECT nullif(current_setting('{WORKSPACE}', true), '')::uuid $$
        """,
        "DROP FUNCTION row_security_workspace()",
    )


def rows_of_workspace(table: str, column: str = "workspace_id") -> RunSQL:
    """Show a request, and let it write, the rows whose ``column`` names its workspace."""
    return rows_where(table, f"{column} = {MINE}")


def rows_where(table: str, condition: str, *, is_read_only: bool = False) -> RunSQL:
    """Show a request the rows for which ``condition`` is true, and let it write none but such, or none at all.

    The policy is for every role but the table's owner and superusers, so a role that is added later is bound too.
    """
    command, check = ("SELECT", "") if is_read_only else ("ALL", f"WITH CHECK ({condition})")
    return RunSQL(
        f"""
        ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
        CREATE POLICY workspace ON {table} FOR {command} USING ({condition}) {check}
        """,
        f"DROP POLICY workspace ON {table}; ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    )


def rows_of_nobody(table: str) -> RunSQL:
    """Show a request no row: the site's own work alone reads and writes the table."""
    return RunSQL(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY", f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
