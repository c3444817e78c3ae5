"""What a forecast is made from: whose waiting counts, who came, and which heartbeats are believed."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation, State
from generation.scheduling import front, service_rates
from generation.scheduling.fair_order import Key
from generation.scheduling.forecast import NEAR_CLIPS
from generation.scheduling.observation import Observer
from generation.scheduling.queue_depth import Depth, Stretch
from generation.scheduling.service_times import ServiceTimes
from generation.scheduling.snapshot import Snapshot
from gpu_worker.contract import Stage
from gpu_worker.worker_status import DRAINING, ResidentComponent, WorkerStatus
from tests.generation import factories


@pytest.fixture
def clip(toy: Model, alice: Visitor) -> Generation:
    clip = factories.submitted(alice.workspace, seconds=1)
    return Generation.objects.select_related("version__model").get(id=clip.id)


def status(name: str = "gpu-test", *, doing: Generation | None = None, **more: Any) -> WorkerStatus:
    made: dict[str, Any] = {"generation_id": str(doing.id), "attempt": doing.attempt} if doing else {}
    return WorkerStatus(name=name, device="card", budget_bytes=2**40, **made, **more)


def alike(clip: Generation, count: int, **changes: Any) -> list[Generation]:
    """``count`` clips like this one, at even tags after its own. They are in no database."""
    rows = []
    for number in range(count):
        row = Generation(**{field.attname: getattr(clip, field.attname) for field in Generation._meta.concrete_fields})
        row.id, row.version, row.fair_finish = uuid.uuid4(), clip.version, clip.fair_finish + number
        for name, value in changes.items():
            setattr(row, name, value)
        rows.append(row)
    return rows


def seen_by(
    observer: Observer, clips: list[Generation], *statuses: WorkerStatus, depth: Depth | None = None, **more: Any
) -> Snapshot:
    return observer.snapshot(clips, statuses or (status(),), {}, depth or Depth([]), **more)


def test_a_queue_that_was_walked_only_as_far_as_its_near_clips_has_nothing_deep(clip: Generation) -> None:
    queue = alike(clip, NEAR_CLIPS + 1)
    last = queue[NEAR_CLIPS - 1]
    walked = Depth([Stretch(0.0, Key(last.fair_finish, last.created_at, last.id), NEAR_CLIPS)])
    assert seen_by(Observer(), queue, depth=walked).deep == ()


def test_clips_that_were_there_at_the_first_look_do_not_come_when_the_queue_gets_to_them(clip: Generation) -> None:
    observer, queue = Observer(), alike(clip, 40)
    for first in range(0, 30, 5):
        assert seen_by(observer, queue[first : first + 10], newest=queue).arrivals.per_second == 0.0


def test_a_clip_comes_when_it_is_asked_for_wherever_it_waits_and_once(
    clip: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    observer, now = Observer(), time.time()
    seen_by(observer, [])
    came = [
        row
        for number, row in enumerate(alike(clip, 21))
        for row.created_at in [datetime.fromtimestamp(now + 10 * (number + 1), UTC)]
    ]
    monkeypatch.setattr(time, "time", lambda: now + 210)
    for _ in range(2):
        arrivals = seen_by(observer, came[:NEAR_CLIPS], newest=came[::-1]).arrivals
        assert arrivals.per_second == pytest.approx(0.1)
        assert len(arrivals.kinds) == 20


def test_who_is_made_at_once_has_come_too_and_was_above_the_clock_by_the_price(clip: Generation) -> None:
    observer = Observer()
    seen_by(observer, [])
    came = alike(clip, 7, state=State.SUCCEEDED, fair_finish=0.0, created_at=timezone.now() + timedelta(seconds=1))
    arrivals = seen_by(observer, [], newest=came).arrivals
    assert {kind.above_clock for kind in arrivals.kinds} <= {float(clip.credits_quoted)}


def test_who_waits_behind_the_played_is_counted_by_kind_in_stretches_that_end_with_clips_of_the_queue(
    toy: Model, alice: Visitor
) -> None:
    clips = [factories.submitted(factories.visitor(credits=99).workspace, seconds=1) for _ in range(NEAR_CLIPS + 9)]
    Generation.objects.filter(id=clips[-2].id).update(steps=clips[0].steps + 1)
    rows = list(Generation.objects.select_related("version__model").order_by("fair_finish", "created_at", "id"))
    assert [row.id for row in rows] == [each.id for each in clips]
    behind = front.count(behind=NEAR_CLIPS, up_to_bytes=2**40)
    deep = seen_by(Observer(), rows[: NEAR_CLIPS + 1], behind=behind).deep
    assert [stretch.clips for stretch in deep] == [2, 3, 4]
    ends = [rows[NEAR_CLIPS + n] for n in (1, 4, 8)]
    assert [(each.last_tag, each.last_asked_at) for each in deep] == [
        (row.fair_finish, row.created_at.timestamp()) for row in ends
    ]
    assert sorted((each.stretch, -each.clips) for each in behind) == [(1, -2), (2, -3), (3, -3), (3, -1)]
    assert {each.middle_tag for each in deep} == {rows[0].fair_finish}, "all of them asked for the same at one time"
    service = ServiceTimes().service(service_rates.work_of(rows[0]))
    assert deep[0].seconds == pytest.approx(2 * service.mean_seconds), "as long as many take on the whole"


def test_a_clip_on_a_machine_that_drains_is_played_and_the_machine_takes_no_more(clip: Generation) -> None:
    clip.state, clip.worker = State.RUNNING, "leaves"
    found = seen_by(Observer(), [clip], status(), status("leaves", doing=clip, state=DRAINING))
    assert [machine.name for machine in found.machines] == ["gpu-test"]
    assert [each.id for each in found.leaving] == [str(clip.id)]


def test_a_clip_that_has_left_the_card_is_soon_ready_and_keeps_nobody_waiting(clip: Generation) -> None:
    clip.state, clip.worker = State.RUNNING, "gpu-test"
    whole = seen_by(Observer(), [clip], status(doing=clip)).machines[0].in_hand
    found = seen_by(Observer(), [clip], status(delivering_id=str(clip.id), delivering_attempt=clip.attempt))
    assert whole is not None
    assert [machine.in_hand for machine in found.machines] == [None]
    assert [each.id for each in found.leaving] == [str(clip.id)]
    assert found.leaving[0].remaining.median_seconds < whole.remaining.median_seconds


@pytest.mark.parametrize(
    ("state", "worker", "is_believed"),
    [(State.RUNNING, "gpu-test", True), (State.RUNNING, "another", False), (State.QUEUED, "gpu-test", False)],
)
def test_a_heartbeat_is_believed_of_a_clip_that_runs_on_that_machine(
    clip: Generation, state: State, worker: str, is_believed: bool
) -> None:
    clip.state, clip.worker, clip.started_at = state, worker, timezone.now() - timedelta(seconds=5)
    odd = ResidentComponent(key="odd", size_bytes=2**50, tier="device", leases=1)
    found = seen_by(Observer(), [clip], status(doing=clip, stage=Stage.DENOISING, residents=(odd,)))
    assert [machine.in_hand is not None for machine in found.machines] == [is_believed]
    assert ("odd" in found.components) == is_believed
