"""The second wall: PostgreSQL itself shows a request the rows of its own workspace, whatever the query forgot to ask.

Tables that carry a workspace have policies (``row_security.policies``, one line in a migration). A request runs as the
role ``loremotion_web``, which owns nothing and is bound by them, and names its workspace; without one it sees nothing.
What has to look across workspaces says so and why, in ``across_workspaces``: search for that name to review the doors.

Everything that is no request (queue workers, beat, commands) runs as the user of ``DATABASE_URL`` and sees everything.
The wall is against a query that forgot its filter. It is no defence against somebody who runs SQL of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.conf import settings

ROLE: Final = "loremotion_web"
WORKSPACE: Final = "loremotion.workspace"
"""The session variable that policies read, see ``row_security_workspace()``."""
SIGHT_SQL: Final = f"SELECT set_config('role', %s, false), set_config('{WORKSPACE}', %s, false)"


@dataclass(frozen=True, slots=True)
class Sight:
    """Whose rows the database shows: one workspace's, nobody's without one, or everybody's."""

    workspace: UUID | None = None
    is_unbounded: bool = False

    @property
    def sql(self) -> str:
        """One statement that puts it in force for the session, or until the surrounding transaction is rolled back."""
        role, workspace = self.values
        return SIGHT_SQL.replace("%s", f"'{role}'", 1).replace("%s", f"'{workspace}'", 1)

    @property
    def values(self) -> tuple[str, str]:
        """Those of ``SIGHT_SQL``."""
        role = "none" if self.is_unbounded else ROLE
        return role, "" if self.workspace is None else str(UUID(str(self.workspace)))


NOTHING: Final = Sight()
EVERYTHING: Final = Sight(is_unbounded=True)


class Bounds:
    """What one request may see. Shared by every thread that works on it, and by the stream that its answer may be."""

    def __init__(self) -> None:
        self.sight = NOTHING
        self.is_lifted = False


_bounds: ContextVar[Bounds | None] = ContextVar("row_security_bounds", default=None)
_is_across: ContextVar[bool] = ContextVar("row_security_is_across", default=False)
_outside_requests = EVERYTHING


def sight() -> Sight:
    """What the next query may see."""
    if _is_across.get() or not settings.ROW_LEVEL_SECURITY:
        return EVERYTHING
    bounds = _bounds.get()
    if bounds is None:
        return _outside_requests
    return EVERYTHING if bounds.is_lifted else bounds.sight


@contextmanager
def enforce_bounds(bounds: Bounds) -> Iterator[None]:
    """Run the block within the bounds of a request."""
    token = _bounds.set(bounds)
    try:
        yield
    finally:
        _bounds.reset(token)


def enter(workspace: UUID | None) -> None:
    """Let this request see ``workspace`` alone, or nothing. Means nothing outside a request."""
    bounds = _bounds.get()
    if bounds is not None:
        bounds.sight = Sight(workspace)


def lift() -> None:
    """Let this request see everything to its end: it is a page for staff, and staff is there."""
    bounds = _bounds.get()
    if bounds is not None:
        bounds.is_lifted = True


@contextmanager
def across_workspaces(reason: str) -> Iterator[None]:
    """See and write everything within the block, or within the function that this decorates. Not around a ``yield``.

    Args:
        reason: why one workspace is not enough; for whoever reviews.
    """
    assert reason
    token = _is_across.set(True)
    try:
        yield
    finally:
        _is_across.reset(token)


def bind_process() -> None:
    """Note that this process serves requests: what runs outside one, by accident, sees nothing."""
    global _outside_requests
    _outside_requests = NOTHING
