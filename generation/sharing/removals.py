"""Clips that were taken down: their files are shown to others by no link, in whichever workspace."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from generation.models import Clip
from generation.sharing.models import Removal
from gpu_worker.media.perceptual_hash import MOST_DIFFERENT_BITS, bands_of, distance
from loremotion.row_security import across_workspaces

MOST_COMPARED: Final = 1_000


def remove(*, sha256: str, perceptual_hash: str, reason: UUID) -> None:
    """Show a file to nobody by a link any more. Its links stay, and lead nowhere."""
    if sha256:
        found = {"sha256": sha256, "perceptual_hash": perceptual_hash, "bands": _bands(perceptual_hash)}
        Removal.objects.get_or_create(reason=reason, defaults=found)


def restore(*, reasons: Iterable[UUID]) -> None:
    """Let the links that removals closed lead to their clips again, unless there are others of the same file."""
    Removal.objects.filter(reason__in=list(reasons)).delete()


@across_workspaces("a copy of what was taken down in one workspace is shared in none")
def is_removed(sha256: str) -> bool:
    """Whether the file is taken down, of whichever clip it was."""
    return bool(sha256) and Removal.objects.filter(sha256=sha256).exists()


@across_workspaces("what was taken down in one workspace is found again in each")
def nearly(clip: Clip) -> UUID | None:
    """Why something was taken down that has nearly the same picture; None where nothing was.

    Pictures can look the same by chance. It is for staff to say, and refuses nobody anything.
    """
    if not clip.perceptual_hash:
        return None
    near = Removal.objects.filter(bands__overlap=_bands(clip.perceptual_hash)).exclude(perceptual_hash="")
    for reason, other in near.order_by("-created_at").values_list("reason", "perceptual_hash")[:MOST_COMPARED]:
        if distance(clip.perceptual_hash, other) <= MOST_DIFFERENT_BITS:
            return reason
    return None


def _bands(perceptual_hash: str) -> list[int]:
    """The sixteenths of a hash that tell, each with its place. Removals are few, so a fine cut is a short list still,
    and what differs in no more than ``MOST_DIFFERENT_BITS`` has one in common, if that is not one that many have."""
    return [place << 16 | int(part, 16) for place, part in bands_of(perceptual_hash, digits=4)]


def not_removed() -> Q:
    """The condition of links whose clip was not taken down: for the queries of those that are shown."""
    return ~Q(Exists(Removal.objects.filter(sha256=OuterRef("clip__sha256"))))
