"""What other apps keep for a workspace goes where the workspace goes, though accounts knows none of them.

``settings.WORKSPACE_DATA`` names modules that have the functions of ``WorkspaceData``; they are called in that order,
in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import IO, Protocol, cast

from django.conf import settings

from accounts.caller import Caller
from accounts.models import Workspace


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One file of an export. ``content`` is text, or text in pieces, which may be long, or an open binary file that the
    reader closes."""

    path: str
    content: str | Iterator[str] | IO[bytes]


class WorkspaceData(Protocol):
    def move(self, *, source: Workspace, into: Workspace) -> None:
        """Move everything of ``source`` into ``into``. Called again, it changes nothing more."""

    def stop(self, workspace: Workspace) -> None:
        """End what is going on in the workspace; what was paid for it is given back."""

    def export(self, workspace: Workspace, *, reader: Caller) -> Iterator[ExportedFile]:
        """Yield everything of the workspace that ``reader`` may see and could want to take along."""

    def erase(self, workspace: Workspace) -> None:
        """Delete it with its files. What the books need stays, and names nobody."""


def all_workspace_data() -> list[WorkspaceData]:
    return [cast(WorkspaceData, import_module(name)) for name in settings.WORKSPACE_DATA]
