"""What became of a clip, as an event in OpenAI's shape: two types that their clients know, two of ours."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from generation.models import State
from generation.webhooks.models import Delivery, Endpoint
from loremotion.outbox import sending

TYPE_OF: dict[str, str] = {
    State.SUCCEEDED: "video.completed",
    State.FAILED: "video.failed",
    State.CANCELLED: "video.cancelled",
    State.BLOCKED: "video.blocked",
}
TYPES = tuple(TYPE_OF.values())
FAILED = TYPE_OF[State.FAILED]
TRIED_FOR = timedelta(days=3)


def record_end(generation_id: UUID, state: str) -> None:
    """Write a delivery for every endpoint that listens to this end. Call it in the transaction that ended the clip.

    The event's id is made of the clip's: a clip ends once, and so does what is told of it. To whoever listens to
    OpenAI's two types alone, every end without a clip is a failure, as it is in the clip's ``status``.
    """
    event_type = TYPE_OF[state]
    heard_as = {event_type} if state == State.SUCCEEDED else {event_type, FAILED}
    # Locked, so that an endpoint which is being deleted cannot undo the settlement.
    listening = (
        Endpoint.objects.enabled()
        .select_for_update(no_key=True, of=("self",))
        .filter(workspace__generations=generation_id, event_types__overlap=list(heard_as))
    )
    now = timezone.now()
    written = Delivery.objects.bulk_create(
        [
            Delivery(
                endpoint=endpoint,
                event_id=f"evt_{generation_id.hex}",
                event_type=event_type if event_type in endpoint.event_types else FAILED,
                video_id=generation_id,
                due_at=max(now, endpoint.resumes_at),
                expires_at=now + TRIED_FOR,
            )
            for endpoint in listening
        ]
    )
    due = [(row.pk, 0) for row in written if row.due_at <= now]
    if due:
        transaction.on_commit(lambda: sending.enqueue(Delivery, due), robust=True)


def body(*, event_id: str, event_type: str, video_id: UUID, created_at: datetime) -> str:
    """The event as JSON: byte for byte the same at every attempt, since it is made of nothing that changes."""
    event: dict[str, Any] = {
        "id": event_id,
        "object": "event",
        "created_at": int(created_at.timestamp()),
        "type": event_type,
        "data": {"id": str(video_id)},
    }
    return json.dumps(event, separators=(",", ":"))
