"""Reviews go where their workspace goes: what ``accounts.workspace_data`` asks of this app."""

from __future__ import annotations

import json
from collections.abc import Iterator

from django.db.models import F

from accounts.caller import Caller
from accounts.models import Workspace
from accounts.workspace_data import ExportedFile
from generation.moderation.models import Policy, RefusalCount, Review

REVIEW = ("prompt", "negative_prompt", "category", "words", "plea", "state", "statement", "created_at", "decided_at")
COUNT = ("day", "category", "count")


def move(*, source: Workspace, into: Workspace) -> None:
    """Move reviews and counts. Of a prompt that both asked about, the other one's review stays; so does its policy."""
    asked = Review.objects.of(into).values("digest")
    Review.objects.of(source).filter(digest__in=asked).delete()
    Review.objects.of(source).update(workspace=into)
    for count in RefusalCount.objects.filter(workspace=source):
        there = {"workspace": into, "day": count.day, "category": count.category}
        RefusalCount.objects.update_or_create(
            **there, defaults={"count": F("count") + count.count}, create_defaults={**there, "count": count.count}
        )
        count.delete()
    Policy.objects.filter(workspace=source).delete()


def stop(workspace: Workspace) -> None:
    """Do nothing: a review may still be decided."""


def export(workspace: Workspace, *, reader: Caller) -> Iterator[ExportedFile]:
    """Yield reviews as far as ``reader`` may read them, how often prompts were refused, and the policy."""
    reviews = Review.objects.seen_by(reader).order_by("created_at").values(*REVIEW)
    counts = RefusalCount.objects.filter(workspace=workspace).order_by("day", "category").values(*COUNT)
    policy = Policy.objects.filter(workspace=workspace).values("strictness").first()
    found = {"reviews": list(reviews), "refused": list(counts), "policy": policy}
    yield ExportedFile("moderation.json", json.dumps(found, indent=1, default=str, ensure_ascii=False))


def erase(workspace: Workspace) -> None:
    for model in (Review, RefusalCount, Policy):
        model._default_manager.filter(workspace=workspace).delete()
