"""What was reported goes where its workspace goes: what ``accounts.workspace_data`` asks of this app."""

from __future__ import annotations

import json
from collections.abc import Iterator

from accounts.caller import Caller
from accounts.models import Workspace
from accounts.workspace_data import ExportedFile
from generation.notices import notices
from generation.notices.models import Notice

# Not who reported it, nor in which words: that is theirs.
SHOWN = ("id", "clip_id", "address", "category", "state", "created_at", "decision", "decided_at", "objection")


def move(*, source: Workspace, into: Workspace) -> None:
    """Move reports with the clips that they are about."""
    Notice.objects.of(source).update(workspace=into)


def stop(workspace: Workspace) -> None:
    """Do nothing: what is reported has to be decided."""


def export(workspace: Workspace, *, reader: Caller) -> Iterator[ExportedFile]:
    """Yield what was reported of the clips that the reader sees and what became of it."""
    rows = list(Notice.objects.seen_by(reader).filter(workspace=workspace).order_by("created_at").values(*SHOWN))
    yield ExportedFile("reports.json", json.dumps(rows, indent=1, default=str, ensure_ascii=False))


def erase(workspace: Workspace) -> None:
    """Keep that something was reported and decided, and nothing of whose it was."""
    notices.detach(workspace)
