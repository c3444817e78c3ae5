"""What every end of a generation brings along, whichever way it ended."""

from __future__ import annotations

import uuid

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from billing import free_gpu_budget, ledger
from generation.live import progress
from generation.models import Clip, Generation, State
from generation.scheduling import dispatch
from generation.settlement import clip_trace, notifications
from generation.storage import files, retention
from generation.storyboards.models import Sequel
from generation.webhooks import video_events
from gpu_worker.contract import Progress


def wind_up(generation_id: uuid.UUID, state: State) -> None:
    """Do what every end needs, in its transaction: give back GPU time, write webhooks and mail, let uploads of a failed
    clip go, see to the clips that wait for this one; and tell whoever watches, and OpenTelemetry, after the commit."""
    free_gpu_budget.let_go(generation_id)
    video_events.record_end(generation_id, state)
    if state != State.SUCCEEDED:
        retention.let_uploads_go(generation_id)
    notifications.write(generation_id, state)
    for sequel in Sequel.objects.filter(after=generation_id):
        if state == State.SUCCEEDED:
            _put_in_line(sequel)
        else:
            _call_off(sequel)
    transaction.on_commit(lambda: _announce_end(generation_id))
    transaction.on_commit(lambda: clip_trace.send(generation_id), robust=True)
    transaction.on_commit(lambda: _remove_snapshot(generation_id), robust=True)  # what stays is swept


def _put_in_line(sequel: Sequel) -> None:
    """Give the clip what it waited for, a file of which its worker takes the last picture. Its place is that of the
    moment in which it was asked for."""
    key = Clip.objects.get(generation=sequel.after_id).key
    waiting = Generation.objects.filter(id=sequel.generation_id, state=State.QUEUED)
    waiting.update(needs_bytes=sequel.needs_bytes, inputs={"image": key})
    Sequel.objects.filter(generation=sequel.generation_id).delete()


def _call_off(sequel: Sequel) -> None:
    """End a clip whose beginning is never made, and those that wait for it. All its credits go back."""
    waiting = Generation.objects.filter(id=sequel.generation_id, state=State.QUEUED)
    is_first = waiting.update(state=State.CANCELLED, finished_at=timezone.now(), flow="", network="")
    Sequel.objects.filter(generation=sequel.generation_id).delete()
    if is_first:
        ledger.release(reference=sequel.generation_id, is_our_failure=False)
        wind_up(sequel.generation_id, State.CANCELLED)


def _announce_end(generation_id: uuid.UUID) -> None:
    state = Generation.objects.values_list("state", flat=True).filter(id=generation_id).first()
    if state is not None:  # else it was erased together with its workspace
        progress.publish(generation_id, Progress(kind="done", stage=state))
    dispatch.fill_window()


def _remove_snapshot(generation_id: uuid.UUID) -> None:
    if Generation.objects.filter(id=generation_id, version__snapshots_in_store=True).exists():
        default_storage.delete(files.snapshot_key(generation_id))
