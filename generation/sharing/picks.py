"""What staff does with shared clips: show them on Explore, take them off it, end their links. Each is audited."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts import audit
from generation.sharing.models import Share
from loremotion.refusals import Conflict


@transaction.atomic
def feature(link: Share, *, actor: str) -> None:
    """Show the clip on Explore, where the newest pick comes first. Twice is once.

    Raises:
        Conflict: its owner wants it found by nobody, or keeps the prompt, which Explore offers.
    """
    may_be_shown = Share.objects.filter(id=link.id, shows_prompt=True, is_indexed=True)
    if not may_be_shown.exists():
        raise Conflict("not_listed", "Its owner shows the clip to those alone who have its link, or keeps its prompt.")
    if may_be_shown.filter(featured_at=None).update(featured_at=timezone.now()):
        _record(link, "clip.featured", actor)


@transaction.atomic
def withdraw(link: Share, *, actor: str) -> None:
    """Take the clip off Explore; its link goes on. Twice is once."""
    if Share.objects.filter(id=link.id, featured_at__isnull=False).update(featured_at=None):
        _record(link, "clip.unfeatured", actor)


@transaction.atomic
def revoke(link: Share, *, actor: str) -> None:
    """End the link. Its owner may make another one."""
    if Share.objects.filter(id=link.id).delete()[0]:
        _record(link, "clip.link_revoked", actor)


def _record(link: Share, event: str, actor: str) -> None:
    generation = link.clip.generation
    audit.record(generation.workspace, event, actor=actor, subject=str(generation.id))
