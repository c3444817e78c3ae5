"""Storyboards go where their workspace goes: what ``accounts.workspace_data`` asks of this app."""

from __future__ import annotations

import json
from collections.abc import Iterator

from accounts.caller import Caller
from accounts.models import Workspace
from accounts.workspace_data import ExportedFile
from generation.models import Generation
from generation.storyboards.models import Storyboard


def move(*, source: Workspace, into: Workspace) -> None:
    """Move storyboards with their scenes. There may be more of them then than anybody could make."""
    Storyboard.objects.filter(workspace=source).update(workspace=into)


def stop(workspace: Workspace) -> None:
    """Do nothing: a storyboard does nothing by itself."""


def export(workspace: Workspace, *, reader: Caller) -> Iterator[ExportedFile]:
    """Yield every storyboard with its prompts, and the ids of those of its clips that ``reader`` sees."""
    seen = set(Generation.objects.seen_by(reader).kept().values_list("id", flat=True))
    boards = [
        {
            "id": board.id,
            "title": board.title,
            "model": board.model,
            "size": board.size,
            "preset": board.preset,
            "seconds": board.seconds,
            "created_at": board.created_at,
            "scenes": [
                {"prompt": scene.prompt, "clip": scene.clip_id if scene.clip_id in seen else None}
                for scene in board.scenes.all()
            ],
        }
        for board in Storyboard.objects.of(workspace).prefetch_related("scenes")
    ]
    yield ExportedFile("storyboards.json", json.dumps(boards, indent=1, default=str, ensure_ascii=False))


def erase(workspace: Workspace) -> None:
    Storyboard.objects.filter(workspace=workspace).delete()
