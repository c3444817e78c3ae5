"""A machine's last clips tell how slow it is at present, where one has been a sign of the next."""

from __future__ import annotations

import math
from datetime import timedelta
from random import Random

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation, State
from generation.scheduling import service_rates
from generation.scheduling.observation import Observer
from generation.scheduling.pace import Pace
from generation.scheduling.paces import Paces
from generation.scheduling.service_times import ServiceTimes
from tests.generation import factories
from tests.generation.test_observation import seen_by, status


def after(*times_as_long: float, every_seconds: float = 10.0) -> tuple[Pace, float]:
    """A machine that has made such clips, and when it made the last."""
    pace, now = Pace(), 0.0
    for times in times_as_long:
        now += every_seconds
        pace.see(20.0 * times, 20.0, now)
    return pace, now


def test_what_differs_by_chance_is_no_pace() -> None:
    random = Random(1)
    pace, now = after(*(math.exp(random.gauss(0, 0.3)) for _ in range(200)))
    said = pace.slowness(now)
    assert said.median_seconds == pytest.approx(1.0, abs=0.1)
    assert said.doubt < 0.1


def test_a_machine_that_has_become_slow_is_believed_to_stay_so() -> None:
    pace, now = after(*[1.0] * 20, *[5.0] * 5)
    assert pace.slowness(now).median_seconds > 3.0
    assert pace.slowness(now).doubt > 0.3, "and nobody knows for how long"


def test_once_it_is_fast_again_that_is_over_in_a_few_clips() -> None:
    pace, now = after(*[1.0] * 20, *[5.0] * 5, *[1.0] * 6)
    assert pace.slowness(now).median_seconds < 1.2


def test_what_nobody_saw_for_long_is_forgotten() -> None:
    pace, now = after(*[1.0] * 20, *[5.0] * 5)
    assert pace.slowness(now + 3_600).median_seconds == pytest.approx(1.0, abs=0.01)


def test_the_clip_in_hand_is_the_newest_sign() -> None:
    pace, now = after(*[1.0] * 20, *[5.0] * 5, *[1.0] * 6)
    assert pace.slowness(now, took_seconds=5.0, believed_seconds=1.0).median_seconds > 1.5


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e10)), max_size=60))
def test_whatever_is_seen_it_can_be_drawn_from_and_written_down(clips: list[tuple[float, float, float]]) -> None:
    pace = Pace()
    for took, believed, at in clips:
        pace.see(took, believed, at)
    said = pace.slowness(2e10)
    assert 1 / 31 < said.median_seconds < 31
    assert math.isfinite(said.doubt)
    assert Pace.from_json(pace.to_json()) == pace


def test_clips_that_end_between_two_looks_teach_the_pace_of_their_machine(toy: Model, alice: Visitor) -> None:
    observer, now = Observer(), timezone.now()
    for number in range(12):
        clip = factories.submitted(alice.workspace, seconds=1)
        Generation.objects.filter(id=clip.id).update(state=State.RUNNING, worker="gpu-test")
        clip.refresh_from_db()
        seen_by(observer, [clip], status(doing=clip))
        took = {"loading": 500.0, "denoising": 20.0 if number < 6 else 120.0, "uploading": 500.0}
        ended = {"state": State.SUCCEEDED, "finished_at": now + timedelta(seconds=number), "stage_seconds": took}
        Generation.objects.filter(id=clip.id).update(**ended)
    slow, other = seen_by(observer, [], status(), status("another")).machines
    assert slow.slowness.median_seconds > 2.0
    assert other.slowness.median_seconds == 1.0


def test_a_clip_that_was_cancelled_teaches_no_pace(toy: Model, alice: Visitor) -> None:
    paces, clip = Paces(), factories.submitted(alice.workspace, seconds=1)
    clip.state = State.RUNNING
    assert paces.ended([clip]) == ()
    Generation.objects.filter(id=clip.id).update(state=State.CANCELLED)
    assert list(paces.ended([])) == []


def test_names_that_a_gpu_host_makes_up_are_bounded(toy: Model, alice: Visitor) -> None:
    paces, clip = Paces(), factories.submitted(alice.workspace, seconds=1)
    clip.finished_at, clip.stage_seconds = timezone.now(), {"denoising": 1.0}
    work = service_rates.work_of(clip)
    for number in range(300):
        clip.worker = f"gpu-{number}"
        paces.see([(clip, work)], ServiceTimes())
    assert len(paces.to_json()) == 128
