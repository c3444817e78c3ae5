"""Storyboards: scenes in an order, each of which begins with the last picture of the one before."""

from __future__ import annotations

import uuid
from typing import Final

from django.db import models
from django.utils import timezone

from accounts.models import Workspace
from generation.models import Generation

MOST_TITLE_CHARACTERS: Final = 60


class StoryboardQuerySet(models.QuerySet["Storyboard"]):
    def of(self, workspace: Workspace | None) -> StoryboardQuerySet:
        """The tenant's own, the newest first: the only way in which pages reach one."""
        return self.filter(workspace=workspace).order_by("-created_at", "id") if workspace is not None else self.none()


class Storyboard(models.Model):
    """A film of a few clips, all by one model and of one shape, so that they fit together."""

    # The database deletes storyboards with their workspace, and what refers to clips with those: processes of the
    # release before know none of it.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    title = models.CharField(max_length=MOST_TITLE_CHARACTERS)
    # As ``catalog.requests.Ask`` takes them; empty: the model's default.
    model = models.CharField(max_length=60)
    size = models.CharField(max_length=12, blank=True, default="")
    preset = models.CharField(max_length=40, blank=True, default="")
    seconds = models.FloatField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = StoryboardQuerySet.as_manager()

    def __str__(self) -> str:
        return self.title


class Scene(models.Model):
    """One card: what it shows, and its newest clip."""

    storyboard = models.ForeignKey(Storyboard, on_delete=models.CASCADE, related_name="scenes", db_constraint=False)
    position = models.PositiveSmallIntegerField()
    """From 1, without gaps once a change is made."""
    prompt = models.TextField(blank=True, default="")
    clip = models.ForeignKey(Generation, on_delete=models.SET_NULL, null=True, related_name="+", db_constraint=False)

    class Meta:
        ordering = ("position", "id")

    def __str__(self) -> str:
        return f"scene {self.position}"


class Sequel(models.Model):
    """A clip that waits for another one, with whose last picture it begins. Gone once that has ended."""

    generation = models.OneToOneField(
        Generation, on_delete=models.CASCADE, primary_key=True, related_name="+", db_constraint=False
    )
    after = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    needs_bytes = models.BigIntegerField(null=True)
    """The memory that it needs once it need not wait: see ``Generation.needs_bytes``."""

    def __str__(self) -> str:
        return f"{self.generation_id} after {self.after_id}"
