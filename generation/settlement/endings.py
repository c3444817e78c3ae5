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


def lock_sequels(generation_id: uuid.UUID) -> None:
    """Lock the clips that wait for this one, and those that wait for them, as an end moves them and their money too.

    For whoever ends a clip, between its row and the ledger: everybody locks rows from the front of a film to its back
    and accounts after all of them, so there is no deadlock with whoever cancels a later scene meanwhile. No clip comes
    to wait for this one any more: a film is written in one transaction.
    """
    waiting = [generation_id]
    while waiting:
        behind = Sequel.objects.filter(after__in=waiting).values("generation")
        rows = Generation.objects.select_for_update(no_key=True).filter(id__in=behind).order_by("fair_finish", "id")
        waiting = list(rows.values_list("id", flat=True))


def wind_up(generation_id: uuid.UUID, state: State, *, is_our_failure: bool = False) -> None:
    """Do what every end needs, in its transaction: give back GPU time, write webhooks and mail, let uploads of a failed
    clip go, see to the clips that wait for this one; and tell whoever watches, and OpenTelemetry, after the commit.

    Args:
        is_our_failure: of the clip, and so of those that are called off with it: as for ``ledger.release``.
    """
    free_gpu_budget.let_go(generation_id)
    video_events.record_end(generation_id, state)
    if state != State.SUCCEEDED:
        retention.let_uploads_go(generation_id)
    notifications.write(generation_id, state)
    for sequel in Sequel.objects.filter(after=generation_id):
        if state == State.SUCCEEDED:
            _put_in_line(sequel)
        else:
            _call_off(sequel, is_our_failure=is_our_failure)
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


def _call_off(sequel: Sequel, *, is_our_failure: bool) -> None:
    """End a clip whose beginning is never made, and those that wait for it. All its credits go back."""
    waiting = Generation.objects.filter(id=sequel.generation_id, state=State.QUEUED)
    is_first = waiting.update(state=State.CANCELLED, finished_at=timezone.now(), flow="", network="")
    Sequel.objects.filter(generation=sequel.generation_id).delete()
    if is_first:
        ledger.release(reference=sequel.generation_id, is_our_failure=is_our_failure)
        wind_up(sequel.generation_id, State.CANCELLED, is_our_failure=is_our_failure)


def _announce_end(generation_id: uuid.UUID) -> None:
    state = Generation.objects.values_list("state", flat=True).filter(id=generation_id).first()
    if state is not None:  # else it was erased together with its workspace
        progress.publish(generation_id, Progress(kind="done", stage=state))
    dispatch.fill_window()


def _remove_snapshot(generation_id: uuid.UUID) -> None:
    if Generation.objects.filter(id=generation_id, version__snapshots_in_store=True).exists():
        default_storage.delete(files.snapshot_key(generation_id))
