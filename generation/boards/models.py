"""Boards: clips of a workspace that its people put together."""

from __future__ import annotations

import uuid
from typing import Final

from django.db import models
from django.utils import timezone

from accounts.models import Workspace
from generation.models import Generation

MOST_TITLE_CHARACTERS: Final = 60


class BoardQuerySet(models.QuerySet["Board"]):
    def of(self, workspace: Workspace | None) -> BoardQuerySet:
        """The tenant's own, by title: the only way in which pages reach a board."""
        return self.filter(workspace=workspace).order_by("title", "id") if workspace is not None else self.none()


class Board(models.Model):
    """A board is the whole workspace's; what of its clips somebody sees is as everywhere else."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # The database deletes boards with their workspace, and places with their board and clip: processes of the release
    # before know no boards, and erase workspaces and clips.
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    title = models.CharField(max_length=MOST_TITLE_CHARACTERS)
    created_at = models.DateTimeField(default=timezone.now)

    objects = BoardQuerySet.as_manager()

    def __str__(self) -> str:
        return self.title


class BoardClip(models.Model):
    """A clip's place on a board."""

    board = models.ForeignKey(Board, on_delete=models.CASCADE, related_name="places", db_constraint=False)
    generation = models.ForeignKey(
        Generation, on_delete=models.CASCADE, related_name="board_places", db_constraint=False
    )
    added_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["board", "generation"], name="board_clip_once")]

    def __str__(self) -> str:
        return f"{self.generation_id} on {self.board_id}"
