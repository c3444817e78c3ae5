"""Clips that were taken down: neither they nor copies of them are shown to others, by whatever link."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from generation.models import Clip
from generation.sharing.models import Removal
from loremotion.row_security import across_workspaces

MOST_DIFFERENT_BITS: Final = 16
"""Of 256, between pictures that count as copies."""
MOST_COMPARED: Final = 1_000


def remove(clip_id: UUID | None, *, reason: UUID) -> None:
    """Show the clip to nobody by a link any more, nor its copies. Its links stay, and lead nowhere."""
    clip = Clip.objects.filter(pk=clip_id).first()
    if clip is not None:
        found = {"perceptual_hash": clip.perceptual_hash, "bands": _bands(clip.perceptual_hash)}
        Removal.objects.get_or_create(reason=reason, defaults={"sha256": clip.sha256, **found})


def restore(*, reason: UUID) -> None:
    """Let the links that a removal closed lead to their clips again."""
    Removal.objects.filter(reason=reason).delete()


@across_workspaces("a copy of what was taken down in one workspace is shared in none")
def is_removed(clip: Clip) -> bool:
    """Whether the clip was taken down, or one that it is a copy of: the same bytes, or nearly the same picture."""
    if Removal.objects.filter(sha256=clip.sha256).exists():
        return True
    if not clip.perceptual_hash:
        return False
    near = Removal.objects.filter(bands__overlap=_bands(clip.perceptual_hash)).exclude(perceptual_hash="")
    hashes = near.values_list("perceptual_hash", flat=True)[:MOST_COMPARED]
    return any(_distance(clip.perceptual_hash, other) <= MOST_DIFFERENT_BITS for other in hashes)


def _bands(perceptual_hash: str) -> list[int]:
    """The sixteenths of a hash that have a bit, each with its place: of near hashes one at least is the same."""
    parts = [int(perceptual_hash[at : at + 4], 16) for at in range(0, len(perceptual_hash), 4)]
    return [place << 16 | part for place, part in enumerate(parts) if part]


def _distance(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def not_removed() -> Q:
    """The condition of links whose clip was not taken down: for the queries of those that are shown."""
    return ~Q(Exists(Removal.objects.filter(sha256=OuterRef("clip__sha256"))))
