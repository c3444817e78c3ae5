"""Clips that look like one that was taken down: they are shown as ever, and staff is to look at them."""

from __future__ import annotations

import logging
from typing import Final
from uuid import UUID

from django.db import transaction

from accounts.caller import Caller
from generation.models import Generation
from generation.notices.models import Category, Notice
from generation.sharing import links, removals
from generation.sharing.models import Share
from loremotion.row_security import across_workspaces

logger = logging.getLogger(__name__)

MOST_FOUND: Final = 100
"""For one clip that is taken down."""


@transaction.atomic
def share(generation: Generation, *, caller: Caller, shows_prompt: bool = False, is_indexed: bool = False) -> Share:
    """Do ``links.share``, and have staff look at a clip that is nearly the same picture as one that was taken down."""
    link = links.share(generation, caller=caller, shows_prompt=shows_prompt, is_indexed=is_indexed)
    reason = removals.nearly(link.clip)
    if reason is not None:
        _have_looked_at(link, reason)
    return link


@across_workspaces("what looks like a clip that is taken down is wherever somebody shared it")
def find_shared(notice: Notice) -> None:
    """Have staff look at links whose clip has the hash of one that was just taken down, in other bytes."""
    if not notice.perceptual_hash:
        return
    alike = Share.objects.filter(clip__perceptual_hash=notice.perceptual_hash, clip__generation__deleted_at=None)
    others = alike.exclude(clip_id=notice.clip_id).exclude(clip__sha256=notice.sha256)
    for link in others.select_related("clip__generation__workspace").order_by("-created_at")[:MOST_FOUND]:
        _have_looked_at(link, notice.id)


@across_workspaces("the report by which the other was taken down may be of another workspace")
def _have_looked_at(link: Share, reason: UUID) -> None:
    """Open a report of the site's own. Once: of a clip that anybody reported, staff knows."""
    if Notice.objects.filter(clip_id=link.clip_id).exists():
        return
    first = Notice.objects.filter(id=reason).first()
    notice = Notice.objects.create(
        workspace=link.clip.generation.workspace,
        clip_id=link.clip_id,
        address=links.address(link.token),
        category=first.category if first is not None else Category.OTHER,
        statement=f"Nobody reported it. It looks like the clip that was taken down by report {reason}.",
        sha256=link.clip.sha256,
        perceptual_hash=link.clip.perceptual_hash,
        is_found=True,
    )
    logger.warning("A clip looks like one that was taken down: %s, to be decided by %s", notice.id, notice.due_at)
