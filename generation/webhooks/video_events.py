"""What became of a clip, or of a limit, as an event in OpenAI's shape: two types that their clients know, and ours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
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
ALERT = "spending.alert"
TYPES = (*TYPE_OF.values(), ALERT)
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
            _delivery(
                endpoint,
                now,
                event_id=f"evt_{generation_id.hex}",
                event_type=event_type if event_type in endpoint.event_types else FAILED,
                video_id=generation_id,
            )
            for endpoint in listening
        ]
    )
    _enqueue_due(written, now)


def record_alert(workspace_id: UUID, *, occasion: str, data: dict[str, Any]) -> None:
    """Write a delivery for every endpoint that listens to how much of a limit is used. Call it in the transaction that
    used it.

    Args:
        occasion: names what it tells; told once, however often it is recorded.
    """
    listening = (
        Endpoint.objects.enabled()
        .select_for_update(no_key=True)
        .filter(workspace=workspace_id, event_types__contains=[ALERT])
    )
    now = timezone.now()
    event_id = f"evt_{hashlib.sha256(f'{workspace_id}:{occasion}'.encode()).hexdigest()[:32]}"
    told = set(Delivery.objects.filter(event_id=event_id, endpoint__in=listening).values_list("endpoint", flat=True))
    written = Delivery.objects.bulk_create(
        [
            _delivery(endpoint, now, event_id=event_id, event_type=ALERT, data=data)
            for endpoint in listening
            if endpoint.id not in told
        ]
    )
    _enqueue_due(written, now)


def _delivery(endpoint: Endpoint, now: datetime, **event: Any) -> Delivery:
    return Delivery(endpoint=endpoint, due_at=max(now, endpoint.resumes_at), expires_at=now + TRIED_FOR, **event)


def _enqueue_due(written: Iterable[Delivery], now: datetime) -> None:
    due = [(row.pk, 0) for row in written if row.due_at <= now]
    if due:
        transaction.on_commit(lambda: sending.enqueue(Delivery, due), robust=True)


def body(
    *,
    event_id: str,
    event_type: str,
    created_at: datetime,
    video_id: UUID | None = None,
    data: dict[str, Any] | None = None,
) -> str:
    """The event as JSON: byte for byte the same at every attempt, since it is made of nothing that changes."""
    event: dict[str, Any] = {
        "id": event_id,
        "object": "event",
        "created_at": int(created_at.timestamp()),
        "type": event_type,
        "data": {"id": str(video_id)} if data is None else data,
    }
    return json.dumps(event, separators=(",", ":"))
