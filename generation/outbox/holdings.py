"""Endpoints go where their workspace goes: what ``accounts.workspace_data`` asks of this app."""

from __future__ import annotations

import json
from collections.abc import Iterator

from accounts.caller import Caller
from accounts.models import Workspace
from accounts.workspace_data import ExportedFile
from generation.models import Generation
from generation.outbox.models import Delivery, Endpoint, Letter, Wish, facts

DELIVERY = ("event_id", "event_type", "video_id", "state", "attempts", "created_at", "ended_at", "last_status")
LETTER = ("kind", "user__email", "address", "about", "state", "created_at", "ended_at")
WISH = ("generation_id", "user__email")


def move(*, source: Workspace, into: Workspace) -> None:
    """With what still waits for them."""
    Endpoint.objects.of(source).update(workspace=into)
    Letter.objects.filter(workspace=source).update(workspace=into)


def stop(workspace: Workspace) -> None:
    """Nothing goes on here by itself: that the clips were cancelled is still told."""


def export(workspace: Workspace, *, reader: Caller) -> Iterator[ExportedFile]:
    """Endpoints without their secrets, with what was sent to each and is still kept; letters; and who wants one when a
    clip that ``reader`` sees has ended.

    The first two name clips by id alone, so there is nothing in them that ``reader`` may not see.
    """
    endpoints = [
        {
            **facts(endpoint),
            "deliveries": list(Delivery.objects.filter(endpoint=endpoint).order_by("id").values(*DELIVERY)),
        }
        for endpoint in Endpoint.objects.of(workspace).order_by("created_at")
    ]
    letters = list(Letter.objects.filter(workspace=workspace).order_by("id").values(*LETTER))
    yield ExportedFile("webhooks.json", json.dumps(endpoints, indent=1, default=str, ensure_ascii=False))
    wishes = Wish.objects.filter(generation__in=Generation.objects.seen_by(reader)).order_by("id").values(*WISH)
    yield ExportedFile("letters.json", json.dumps(letters, indent=1, default=str, ensure_ascii=False))
    yield ExportedFile("wishes.json", json.dumps(list(wishes), indent=1, default=str, ensure_ascii=False))


def erase(workspace: Workspace) -> None:
    Endpoint.objects.of(workspace).delete()
    Letter.objects.filter(workspace=workspace).delete()
