"""Clips that were taken down: neither they nor copies of them are shown to others, by whatever link."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from generation.models import Clip
from generation.sharing.models import Removal
from loremotion.row_security import across_workspaces


def remove(clip_id: UUID | None, *, reason: UUID) -> None:
    """Show the clip to nobody by a link any more, nor its copies. Its links stay, and lead nowhere."""
    clip = Clip.objects.filter(pk=clip_id).first()
    if clip is not None:
        Removal.objects.get_or_create(reason=reason, defaults={"sha256": clip.sha256})


def restore(*, reason: UUID) -> None:
    """Let the links that a removal closed lead to their clips again."""
    Removal.objects.filter(reason=reason).delete()


@across_workspaces("a copy of what was taken down in one workspace is shared in none")
def is_removed(clip: Clip) -> bool:
    """Whether the clip, or one that it is a copy of, was taken down."""
    return Removal.objects.filter(sha256=clip.sha256).exists()


def not_removed() -> Q:
    """The condition of links whose clip was not taken down: for the queries of those that are shown."""
    return ~Q(Exists(Removal.objects.filter(sha256=OuterRef("clip__sha256"))))
