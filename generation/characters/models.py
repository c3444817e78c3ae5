"""Characters: who or what clips show again and again, by a few reference pictures that were sent once."""

from __future__ import annotations

import uuid
from base64 import b64encode
from typing import Final

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.models import Workspace

MOST_NAME_CHARACTERS: Final = 80
"""As OpenAI's API has it."""


class CharacterQuerySet(models.QuerySet["Character"]):
    def of(self, workspace: Workspace | None) -> CharacterQuerySet:
        """The tenant's own, by name: the only way in which pages reach one."""
        return self.filter(workspace=workspace).order_by(Lower("name"), "id") if workspace is not None else self.none()


class Character(models.Model):
    """A name and the pictures that it stands for. Clips have copies of these, so that none goes with it."""

    # The database deletes characters with their workspace: processes of the release before know none of them.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    name = models.CharField(max_length=MOST_NAME_CHARACTERS)
    keys = ArrayField(models.CharField(max_length=200))
    """Where its pictures lie, each a PNG of our own with a row among the uploads."""
    words = models.TextField(blank=True, default="")
    """What its files were called, in words: with a prompt they may mean what neither says."""
    preview = models.BinaryField()
    """A small JPEG of the first picture."""
    created_at = models.DateTimeField(default=timezone.now)

    objects = CharacterQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="character_by_name")]

    def __str__(self) -> str:
        return self.name

    def is_called(self, name: str) -> bool:
        """Whether ``name`` means this one, however it is written."""
        return self.name.casefold() == name.strip().casefold()

    @property
    def preview_address(self) -> str:
        """The small picture as a data address."""
        return f"data:image/jpeg;base64,{b64encode(self.preview).decode()}"
