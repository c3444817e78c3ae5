"""How a card that can hold none of the first jobs looks further, and what that costs Valkey."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import redis

from gpu_worker.contract import ModelSpec
from gpu_worker.job_choice import LOOKS, Bounds, Waiting
from gpu_worker.job_picker import FRUITLESS_SECONDS, JobPicker, PickedJob
from gpu_worker.rq_seams.render_queue import RenderQueue
from gpu_worker.step_aside import NEVER
from tests.gpu_worker.conftest import enqueue, make_job, report_status
from tests.gpu_worker.scripted import ScriptedEngine

HUGE = ModelSpec(slug="huge", version=1, family="", source="")


class WatchedQueue(RenderQueue):
    """Counts what costs Valkey with the jobs, and with the fleet."""

    looks = 0
    asked_who_takes_jobs = 0

    def window(self, windows: int = 1) -> list[Waiting]:
        self.looks += 1
        return super().window(windows)

    def workers_taking_jobs(self) -> frozenset[str]:
        self.asked_who_takes_jobs += 1
        return super().workers_taking_jobs()


@dataclass
class SmallCard:
    """The picker of a card that cannot hold the model ``huge``, with a clock that a test moves."""

    connection: redis.Redis
    now: float = 0.0

    def __post_init__(self) -> None:
        report_status(self.connection, "w2", state="busy")  # which has refused nothing
        self.line = WatchedQueue(self.connection, "w1", Bounds())
        self.engine = ScriptedEngine(too_large=["huge"])
        self.picker = JobPicker(self.line, self.engine, NEVER, clock=lambda: self.now)


def test_a_card_that_can_hold_none_of_the_first_looks_further(valkey: redis.Redis, tmp_path: Path) -> None:
    large = [make_job(tmp_path, model=HUGE) for _ in range((LOOKS - 1) * Bounds().window)]
    own = make_job(tmp_path)
    for job in (*large, own):
        enqueue(valkey, job)

    assert SmallCard(valkey).picker.pick().job_id == own.job_id
    assert not any(valkey.hget(f"rq:job:{job.job_id}", "skips") for job in large)


def test_what_a_card_looked_past_is_not_read_ahead_for_it(valkey: redis.Redis, tmp_path: Path) -> None:
    large = [make_job(tmp_path, model=HUGE) for _ in range(Bounds().window + 1)]
    own, next_own = make_job(tmp_path), make_job(tmp_path)
    for job in (*large, own, next_own):
        enqueue(valkey, job)
    card = SmallCard(valkey)

    assert card.picker.pick().job_id == own.job_id
    assert card.engine.upcoming == [next_own]


def test_looking_further_takes_two_looks_and_asks_once_who_takes_jobs(valkey: redis.Redis, tmp_path: Path) -> None:
    for _ in range(LOOKS * Bounds().window):
        enqueue(valkey, make_job(tmp_path, model=HUGE))
    card = SmallCard(valkey)

    assert card.picker.pick() == PickedJob(are_all_for_others=True)
    assert (card.line.looks, card.line.asked_who_takes_jobs) == (2, 1)


def test_a_line_with_nothing_for_a_card_is_looked_at_again_once_it_has_changed_or_some_time_later(
    valkey: redis.Redis, tmp_path: Path
) -> None:
    large = make_job(tmp_path, model=HUGE)
    enqueue(valkey, large)
    card = SmallCard(valkey)
    for _ in range(3):
        assert card.picker.pick() == PickedJob(are_all_for_others=True)
    assert card.line.looks == 1

    own = make_job(tmp_path)
    enqueue(valkey, own)
    assert card.picker.pick().job_id == own.job_id

    card.now += FRUITLESS_SECONDS
    assert card.picker.pick() == PickedJob(are_all_for_others=True)
    assert card.line.looks == 3


def test_a_card_waits_for_a_line_that_is_empty_by_now(valkey: redis.Redis, tmp_path: Path) -> None:
    enqueue(valkey, make_job(tmp_path, model=HUGE))
    card = SmallCard(valkey)
    assert card.picker.pick() == PickedJob(are_all_for_others=True)
    valkey.delete(card.line.key)
    assert card.picker.pick() == PickedJob()
