"""Endpoints go where their workspace goes: what ``accounts.workspace_data`` asks of this app."""

from __future__ import annotations

import json
from collections.abc import Iterator

from accounts.caller import Caller
from accounts.models import Workspace
from accounts.workspace_data import ExportedFile
from generation.webhooks.models import Delivery, Endpoint, facts

DELIVERY = ("event_id", "event_type", "video_id", "state", "attempts", "created_at", "ended_at", "last_status")


def move(*, source: Workspace, into: Workspace) -> None:
    """Move endpoints, with what still waits for them."""
    Endpoint.objects.of(source).update(workspace=into)


def stop(workspace: Workspace) -> None:
    """Do nothing: that the clips were cancelled is still sent."""


def export(workspace: Workspace, *, reader: Caller) -> Iterator[ExportedFile]:
    """Yield endpoints without their secrets, with what was sent to each and is still kept.

    It names clips by id alone, so there is nothing in it that ``reader`` may not see.
    """
    endpoints = [
        {
            **facts(endpoint),
            "deliveries": list(Delivery.objects.filter(endpoint=endpoint).order_by("id").values(*DELIVERY)),
        }
        for endpoint in Endpoint.objects.of(workspace).order_by("created_at")
    ]
    yield ExportedFile("webhooks.json", json.dumps(endpoints, indent=1, default=str, ensure_ascii=False))


def erase(workspace: Workspace) -> None:
    Endpoint.objects.of(workspace).delete()
