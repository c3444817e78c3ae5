"""Boards go where their workspace goes: what ``accounts.workspace_data`` asks of this app."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator

from accounts.caller import Caller
from accounts.models import Workspace
from accounts.workspace_data import ExportedFile
from generation.boards.models import Board, BoardClip
from generation.models import Generation


def move(*, source: Workspace, into: Workspace) -> None:
    """Move boards, with what is on them. There may be more of them then than anybody could make."""
    Board.objects.filter(workspace=source).update(workspace=into)


def stop(workspace: Workspace) -> None:
    """Do nothing: a board does nothing."""


def export(workspace: Workspace, *, reader: Caller) -> Iterator[ExportedFile]:
    """Yield every board with the ids of those of its clips that ``reader`` sees."""
    seen = Generation.objects.seen_by(reader).kept()
    places = BoardClip.objects.filter(board__workspace=workspace, generation__in=seen).order_by("added_at", "id")
    clips = defaultdict(list)
    for board_id, generation_id in places.values_list("board_id", "generation_id"):
        clips[board_id].append(generation_id)
    boards = [
        {"id": board.id, "title": board.title, "created_at": board.created_at, "clips": clips[board.id]}
        for board in Board.objects.of(workspace)
    ]
    yield ExportedFile("boards.json", json.dumps(boards, indent=1, default=str, ensure_ascii=False))


def erase(workspace: Workspace) -> None:
    Board.objects.filter(workspace=workspace).delete()
