"""What every end of a generation brings along, whichever way it ended."""

from __future__ import annotations

import uuid

from django.core.files.storage import default_storage
from django.db import transaction

from billing import free_gpu_budget
from generation.live import progress
from generation.models import Generation, State
from generation.scheduling import dispatch
from generation.settlement import clip_trace, notifications
from generation.storage import files, retention
from generation.webhooks import video_events
from gpu_worker.contract import Progress


def wind_up(generation_id: uuid.UUID, state: State) -> None:
    """Do what every end needs, in its transaction: give back GPU time, write webhooks and mail, let uploads of a failed
    clip go; and tell whoever watches, and OpenTelemetry, after the commit."""
    free_gpu_budget.let_go(generation_id)
    video_events.record_end(generation_id, state)
    if state != State.SUCCEEDED:
        retention.let_uploads_go(generation_id)
    notifications.write(generation_id, state)
    transaction.on_commit(lambda: _announce_end(generation_id))
    transaction.on_commit(lambda: clip_trace.send(generation_id), robust=True)
    transaction.on_commit(lambda: _remove_snapshot(generation_id), robust=True)  # what stays is swept


def _announce_end(generation_id: uuid.UUID) -> None:
    state = Generation.objects.values_list("state", flat=True).filter(id=generation_id).first()
    if state is not None:  # else it was erased together with its workspace
        progress.publish(generation_id, Progress(kind="done", stage=state))
    dispatch.fill_window()


def _remove_snapshot(generation_id: uuid.UUID) -> None:
    if Generation.objects.filter(id=generation_id, version__snapshots_in_store=True).exists():
        default_storage.delete(files.snapshot_key(generation_id))
