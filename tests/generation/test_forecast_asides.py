"""Forecasts know that a long render may let short clips go first: they start before it ends, and it ends later."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from generation.models import Generation, State
from generation.scheduling.forecast import Expected, Forecast
from generation.scheduling.observation import Observer
from generation.scheduling.passing import Passing
from generation.scheduling.service_times import Spread
from generation.scheduling.snapshot import Arrivals, Clip, InHand, Kind, Machine, Stretch
from generation.tiers import FREE_BEGINS
from gpu_worker.step_aside import AsideBounds, read_bounds
from tests.generation.test_forecast import clip as waiting
from tests.generation.test_forecast import machine, said_of, snapshot
from tests.generation.test_observation import clip, seen_by, status

__all__ = ["clip"]

POLICY = AsideBounds(times=3, seconds=60.0, least_left_seconds=600.0, gain=10.0)
HOUR = Spread(3600.0, 0.0)


def busy(left: Spread = HOUR, *, policy: AsideBounds = POLICY, **hand: object) -> Machine:
    in_hand = replace(InHand("long", left, "red"), **hand)  # type: ignore[arg-type]  # named by the tests below
    return replace(machine(residents=("red", "shared")), in_hand=in_hand, aside=policy)


def told(*clips: Clip, gpu: Machine | None = None, **more: object) -> Forecast:
    return said_of(snapshot(gpu or busy(), window=clips, **more))


def test_a_short_one_starts_at_once_and_the_long_one_is_ready_that_much_later() -> None:
    said = told(waiting("short", seconds=10.0))
    assert said.by_id["short"].start.high < 10
    assert said.by_id["long"].ready.mid == pytest.approx(3610, abs=15)
    assert said.by_id["long"].start.high == 0.0


@pytest.mark.parametrize(
    "gpu",
    [
        busy(policy=AsideBounds(times=0)),
        busy(Spread(500.0, 0.0)),
        busy(times_aside=3),
        busy(policy=replace(POLICY, gain=1000.0)),
        busy(policy=replace(POLICY, share=0.01)),
    ],
    ids=["never", "too little is left", "often enough", "too little to gain", "too much of what is left"],
)
def test_else_it_waits_for_the_long_one(gpu: Machine) -> None:
    said = told(waiting("short", seconds=10.0), gpu=gpu)
    assert gpu.in_hand is not None
    left = gpu.in_hand.remaining.median_seconds
    assert said.by_id["long"].ready.mid == pytest.approx(left)
    assert said.by_id["short"].start.mid == pytest.approx(left)


def test_no_free_one_goes_before_a_long_one_that_is_paid_for_and_a_paid_one_goes_before_a_free_one() -> None:
    free, paid = replace(waiting("c", seconds=10.0), tag=FREE_BEGINS + 1), waiting("c", seconds=10.0)
    assert told(free).by_id["c"].start.mid == pytest.approx(3600)
    assert told(free, gpu=busy(is_free=True)).by_id["c"].start.mid < 10
    assert told(paid, gpu=busy(is_free=True)).by_id["c"].start.mid < 10


def test_short_ones_pass_for_so_long_and_the_rest_the_next_time() -> None:
    said = told(*(waiting(f"c{n}", seconds=25.0) for n in range(4)))
    starts = [said.by_id[f"c{n}"].start.mid for n in range(4)]
    assert starts == pytest.approx([0, 25, 50, 80], abs=6)  # after 75 s it goes on, for one look
    assert said.by_id["long"].ready.mid == pytest.approx(3700, abs=20)


def test_what_is_aside_goes_on_with_its_machine_when_its_time_is_over() -> None:
    held = InHand("long", Spread(3000.0, 0.0), "red", times_aside=1, passes_for_seconds=20.0)
    gpu = replace(machine(residents=("red", "shared")), in_hand=None, held=held, aside=POLICY)
    said = told(waiting("short", seconds=30.0), gpu=gpu)
    assert said.by_id["short"].start.mid == pytest.approx(0, abs=1)
    assert said.by_id["long"].start.mid == pytest.approx(30, abs=1)
    assert said.by_id["long"].ready.mid == pytest.approx(3030, abs=2)


def test_a_long_one_that_waits_may_have_to_let_pass_whoever_comes() -> None:
    kind = Kind("red", 0.0, Spread(10.0, 0.0), 15)
    coming = Arrivals(0.02, 0.0, (kind,))
    free = replace(machine(residents=("red", "shared")), aside=POLICY)
    calm, busy_site = (told(waiting("long", seconds=3600.0), gpu=free, arrivals=each) for each in (Arrivals(), coming))
    assert calm.by_id["long"].ready.mid == pytest.approx(3600, abs=1)
    assert busy_site.by_id["long"].ready.mid > 3620


def test_a_clip_that_is_aside_is_held_by_the_machine_that_keeps_it(clip: Generation) -> None:
    clip.state, clip.kept_by, clip.times_aside, clip.resumed_from_step = State.DISPATCHED, "gpu-test", 1, 4
    clip.dispatched_at = timezone.now() - timedelta(seconds=20)
    found = seen_by(Observer(), [clip], status(aside=POLICY))
    (gpu,) = found.machines
    assert found.window == ()
    assert gpu.held is not None
    assert (gpu.held.id, gpu.held.times_aside) == (str(clip.id), 1)
    assert gpu.held.passes_for_seconds == pytest.approx(40, abs=5)
    elsewhere = seen_by(Observer(), [clip], status("another", aside=POLICY))
    assert [each.id for each in elsewhere.window] == [str(clip.id)]


def test_what_a_heartbeat_says_of_it_is_bounded() -> None:
    odd = AsideBounds(times=10**9, seconds=-5.0, least_left_seconds=1e300, gain=0.0, share=-1.0)
    assert read_bounds(odd) == AsideBounds(times=20, seconds=0.0, least_left_seconds=86_400.0, gain=1.0, share=0.0)
    assert read_bounds(POLICY) == POLICY


def test_however_many_come_it_is_said_when_the_long_one_is_ready() -> None:
    flood = Arrivals(5.0, 0.0, (Kind("red", 0.0, Spread(10.0, 0.0), 15),))
    said = told(waiting("short", seconds=10.0), arrivals=flood)
    assert 3660 < said.by_id["long"].ready.mid < 4000


NEW, SHORT = 1.0, Spread(10.0, 0.0)
"""The tag of a paid clip that nobody has asked for yet, and what it takes."""


def prospect(said: Forecast, tag: float = NEW, service: Spread = SHORT, build: str = "red") -> Expected:
    found = said.at(tag, service, build)
    assert found is not None
    return found


def test_whoever_asks_for_a_short_one_reads_that_it_goes_before_the_long_one() -> None:
    said = told()
    assert prospect(said).start.high < 10
    assert prospect(said).ready.mid == pytest.approx(10, abs=5)
    assert prospect(said, build="blue").ready.mid == pytest.approx(17, abs=5), "what it loads counts"


@pytest.mark.parametrize(
    ("gpu", "tag", "service", "build"),
    [
        (busy(policy=AsideBounds(times=0)), NEW, SHORT, "red"),
        (busy(times_aside=3), NEW, SHORT, "red"),
        (busy(), FREE_BEGINS + 1, SHORT, "red"),
        (busy(), NEW, Spread(450.0, 0.0), "red"),
        (busy(), NEW, SHORT, "unknown"),
    ],
    ids=["never", "often enough", "free before paid", "long itself", "nobody knows what it loads"],
)
def test_else_whoever_asks_reads_that_it_starts_after_the_long_one(
    gpu: Machine, tag: float, service: Spread, build: str
) -> None:
    assert prospect(told(gpu=gpu), tag, service, build).start.mid == pytest.approx(3600)


def test_a_new_one_goes_before_a_free_long_one_whatever_it_costs_itself() -> None:
    said = told(gpu=busy(is_free=True))
    assert prospect(said).start.high < 10
    assert prospect(said, FREE_BEGINS + 1).start.high < 10


def test_a_long_one_in_line_lets_nobody_pass_who_comes_behind_it() -> None:
    queue = (replace(waiting("second", seconds=3600.0), tag=5.0),)
    said = told(queue=queue)
    assert prospect(said, 1.0).start.high < 10, "before it in line"
    assert prospect(said, 9.0).start.mid == pytest.approx(3605, abs=5), "behind it, before nobody until that has begun"


def test_how_far_behind_a_deep_queue_nobody_goes_first() -> None:
    deep = (Stretch(90.0, 50, 500.0),)
    said = told(queue=(replace(waiting("c", seconds=10.0), tag=5.0),), deep=deep, clock=2.0)
    assert prospect(said, 3.0).start.high < 20
    assert prospect(said, 80.0).start.mid > 200


def test_whoever_asks_for_a_long_one_reads_that_others_may_pass_it() -> None:
    kind = Kind("red", 0.0, Spread(10.0, 0.0), 15)
    free = replace(machine(residents=("red", "shared")), aside=POLICY)
    calm, busy_site = (told(gpu=free, arrivals=each) for each in (Arrivals(), Arrivals(0.02, 0.0, (kind,))))
    assert prospect(calm, service=HOUR).ready.high == pytest.approx(3600, abs=1)
    later = prospect(busy_site, service=HOUR)
    assert later.ready.low == pytest.approx(3600, abs=60)
    assert later.ready.mid == pytest.approx(3780, abs=60), "three times a minute at the most"
    assert prospect(busy_site).ready.high < 60


def test_what_new_ones_may_expect_survives_the_board() -> None:
    said = told(queue=(replace(waiting("second", seconds=3600.0), tag=5.0),))
    assert Passing.from_json(json.loads(json.dumps(said.passing.to_json()))) == said.passing
