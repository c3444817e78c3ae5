"""Forecasts of one snapshot: certain ones are checked clip by clip against the rules that run."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from generation.scheduling.calibration import Range
from generation.scheduling.forecast import Forecast, forecast
from generation.scheduling.service_times import Spread
from generation.scheduling.simulation import Simulation
from generation.scheduling.snapshot import Arrivals, Clip, Component, InHand, Kind, Machine, Snapshot, Stretch
from generation.scheduling.window import InLine, Window
from generation.tiers import FREE_BEGINS, MOST_PASSES, yields
from gpu_worker.job_choice import LOOKS, Bounds, Waiting, choose
from tests.properties import examples

BUILDS = {"red": ("red", "shared"), "blue": ("blue", "shared"), "large": ("large",)}
COMPONENTS = {
    "red": Component(10, 5.0),
    "blue": Component(10, 7.0),
    "shared": Component(5, 2.0),
    "large": Component(40, 9.0),
}
BUDGETS = {"red": 15, "blue": 15, "large": 40}


def clip(id: str, build: str = "red", *, tag: float = 0.0, seconds: float = 10.0, sd: float = 0.0, **more: Any) -> Clip:
    return Clip(id, build, tag, Spread(seconds, sd), BUDGETS[build], **more)


def machine(name: str = "gpu-1", *, budget: int = 30, busy: float | None = None, **more: Any) -> Machine:
    in_hand = None if busy is None else InHand(f"in {name}", Spread(busy, 0.0))
    return Machine(name, budget, in_hand=in_hand, **more)


def snapshot(*machines: Machine, **more: Any) -> Snapshot:
    return Snapshot(machines, components=COMPONENTS, builds=BUILDS, **more)


def said_of(snapshot: Snapshot, *, seed: int = 0, plays: int = 40) -> Forecast:
    return forecast(snapshot, np.random.default_rng(seed), plays=plays)


def starts(said: Forecast) -> dict[str, float]:
    return {id: round(expected.start.mid, 6) for id, expected in said.by_id.items()}


def test_with_no_machine_nothing_is_said() -> None:
    said = said_of(snapshot(window=(clip("a"),)))
    assert not said.by_id
    assert said.at(1.0, Spread(1.0, 0.0)) is None


def test_while_nobody_waits_a_clip_starts_when_a_machine_is_free() -> None:
    for on, starts_at in ((machine(), 0.0), (machine(busy=30.0), 30.0)):
        said = forecast(Snapshot((on,)), np.random.default_rng(0), plays=10).at(5.0, Spread(10.0, 0.0))
        assert said is not None
        assert (said.start.mid, said.ready.mid) == (starts_at, starts_at + 10.0)


def test_one_after_the_other_each_with_what_it_loads() -> None:
    said = said_of(snapshot(machine(busy=4.0), window=(clip("a"), clip("b")), queue=(clip("c", tag=1.0),)))
    assert starts(said) == {"in gpu-1": 0.0, "a": 4.0, "b": 21.0, "c": 31.0}
    assert said.by_id["c"].ready.mid == pytest.approx(41.0)
    assert said.by_id["in gpu-1"].ready == Range(4.0, 4.0, 4.0)


def test_a_card_makes_the_next_one_while_a_clip_is_delivered() -> None:
    sent = Spread(3.0, 0.0)
    busy = replace(machine(), in_hand=InHand("in hand", Spread(4.0, 0.0), delivery=sent))
    said = said_of(snapshot(busy, window=(clip("a", delivery=sent),), leaving=(InHand("sent", Spread(1.0, 0.0)),)))
    assert starts(said) == {"in hand": 0.0, "sent": 0.0, "a": 4.0}
    readies = {id: expected.ready.mid for id, expected in said.by_id.items()}
    assert readies == pytest.approx({"in hand": 7.0, "sent": 1.0, "a": 24.0})


def test_what_is_on_the_card_goes_first_as_the_worker_would() -> None:
    said = said_of(snapshot(machine(residents=("shared", "blue")), window=(clip("a"), clip("b", "blue"))))
    assert starts(said) == {"b": 0.0, "a": 10.0}


def test_who_was_overtaken_often_enough_is_overtaken_no_more() -> None:
    line = (clip("a", skips=16), clip("b", "blue"))
    assert starts(said_of(snapshot(machine(residents=("shared", "blue")), window=line)))["a"] == 0.0


def test_a_large_clip_waits_for_the_large_machine_and_keeps_no_small_one_idle() -> None:
    machines = (machine("small", budget=15), machine("large", budget=60, busy=50.0))
    said = said_of(snapshot(*machines, queue=(clip("l", "large", tag=1.0), clip("s", tag=2.0))))
    assert starts(said)["l"] == 50.0
    assert starts(said)["s"] == 0.0


def test_a_machine_that_is_away_takes_part_once_it_is_back() -> None:
    away = Machine("gpu-2", 30, away=Spread(3.0, 0.0))
    said = said_of(snapshot(machine(busy=100.0), away, window=(clip("a"),)))
    assert starts(said)["a"] == 3.0


def test_a_slower_card_takes_longer() -> None:
    said = said_of(snapshot(machine(slowness=Spread(2.0, 0.0), residents=("red", "shared")), window=(clip("a"),)))
    assert said.by_id["a"].ready.mid == pytest.approx(20.0)


def test_who_comes_with_a_lower_tag_goes_before() -> None:
    line = tuple(clip(f"w{n}", tag=float(n)) for n in range(12))
    waits = (clip("a", tag=50.0),)
    coming = Arrivals(0.05, 0.0, (Kind("red", 10.0, Spread(10.0, 0.0), 15),))
    alone, crowd = (
        said_of(snapshot(machine(busy=9.0), window=line, queue=waits, arrivals=each)) for each in (Arrivals(), coming)
    )
    assert crowd.by_id["a"].start.mid > alone.by_id["a"].start.mid + 10
    later = Arrivals(0.05, 0.0, (replace(coming.kinds[0], above_clock=1e6),))
    assert (
        starts(said_of(snapshot(machine(busy=9.0), window=line, queue=waits, arrivals=later)))["a"]
        == starts(alone)["a"]
    )


def test_a_clip_in_the_window_is_not_overtaken_by_who_comes() -> None:
    coming = Arrivals(5.0, 0.0, (Kind("red", 0.0, Spread(10.0, 0.0), 15),))
    line = tuple(clip(f"w{n}") for n in range(12))
    with_them, without = (starts(said_of(snapshot(machine(), window=line, arrivals=a))) for a in (coming, Arrivals()))
    assert with_them == without


def test_what_is_wrong_of_one_model_is_wrong_of_all_its_clips() -> None:
    """Twenty clips whose common pace is unknown are less certain than twenty that differ by as much."""
    doubted = tuple(replace(clip(f"w{n}"), service=Spread(10.0, 0.0, 0.3)) for n in range(20))
    apart = tuple(replace(clip(f"w{n}"), service=Spread(10.0, 0.3)) for n in range(20))
    widths = [
        (ready := said_of(snapshot(machine(), window=line), plays=300).by_id["w19"].ready).high - ready.low
        for line in (doubted, apart)
    ]
    assert widths[0] > 2.5 * widths[1]


def test_the_same_generator_says_the_same() -> None:
    line = tuple(clip(f"w{n}", ("red", "blue")[n % 2], sd=0.3) for n in range(8))
    assert said_of(snapshot(machine(), window=line)) == said_of(snapshot(machine(), window=line))


def test_a_clip_not_asked_for_yet_is_told_by_its_tag() -> None:
    queue = tuple(clip(f"q{n}", tag=float(n)) for n in range(10))
    said = said_of(snapshot(machine(), queue=queue))
    first, last = (cast(Any, said.at(tag, Spread(10.0, 0.2))) for tag in (0.0, 99.0))
    assert first.start.mid == 0.0
    assert last.start.mid == pytest.approx(107.0)
    assert last.ready.mid == pytest.approx(117.0)
    assert last.ready.low < 117.0 < last.ready.high


def test_a_hundred_thousand_clips_are_told_from_a_few_stretches() -> None:
    near = tuple(clip(f"q{n}", tag=float(n)) for n in range(20))
    deep = tuple(Stretch(1000.0 * n, 2000, 20_000.0) for n in range(1, 51))
    said = said_of(snapshot(machine(), machine("gpu-2"), queue=near, deep=deep))
    assert len(said.by_id) == 20
    assert len(said.tags) == 20 + 1 + 50
    assert cast(Any, said.at(50_000.0, Spread(10.0, 0.0))).start.mid == pytest.approx(500_000.0, rel=0.05)


def test_of_equal_tags_whoever_asked_first_starts_first() -> None:
    near = tuple(replace(clip(f"q{n}", tag=2.0), asked_at=float(n)) for n in range(8))
    deep = tuple(Stretch(2.0, 4, 40.0, 11.0 + 4 * n, 2.0) for n in range(10))
    said = said_of(snapshot(machine(), queue=near, deep=deep))
    starts = [cast(Any, said.at(2.0, Spread(10.0, 0.0), asked_at=8.0 + n)).start.mid for n in range(40)]
    assert starts == sorted(starts)
    assert starts == pytest.approx([7.0 + 10.0 * (8 + n) for n in range(40)], rel=0.1)
    assert cast(Any, said.at(2.0, Spread(10.0, 0.0))).start.mid >= starts[-1], "who comes now goes behind them"


def test_who_pays_as_much_as_they_do_goes_behind_them_and_who_pays_less_goes_before() -> None:
    near = tuple(replace(clip(f"q{n}", tag=2.0), asked_at=float(n)) for n in range(8))
    deep = tuple(Stretch(4.0, 4, 40.0, 11.0 + 4 * n, 4.0) for n in range(10))
    came = [Arrivals(), *(Arrivals(0.1, 0.0, (Kind("red", price, Spread(10.0, 0.0), 15),)) for price in (2.0, 1.0))]
    told = [said_of(snapshot(machine(), queue=near, deep=deep, clock=2.0, arrivals=each)) for each in came]
    quiet, as_much, less = (each.starts[-1].mid for each in told)
    assert as_much == pytest.approx(quiet, rel=0.05)
    assert less - quiet == pytest.approx(87 * 0.1 * 10, rel=0.5), "as many as come before the clock is theirs"


def test_of_a_queue_that_nobody_has_walked_to_its_end_nothing_is_said() -> None:
    said = said_of(snapshot(machine(), queue=(clip("q", tag=1.0),), is_whole=False))
    assert said.at(0.5, Spread(1.0, 0.0)) is not None
    assert said.at(2.0, Spread(1.0, 0.0)) is None


def test_who_overtakes_makes_deep_places_later_but_starves_nobody() -> None:
    near, deep = (clip("q", tag=1.0),), (Stretch(1000.0, 2000, 20_000.0),)
    flood = Arrivals(50.0, 0.0, (Kind("red", 0.0, Spread(10.0, 0.0), 15),))
    quiet, flooded = (said_of(snapshot(machine(), queue=near, deep=deep, arrivals=a)) for a in (Arrivals(), flood))
    assert quiet.starts[-1].mid < flooded.starts[-1].mid < 10 * quiet.starts[-1].mid


def test_who_overtakes_counts_with_what_many_of_them_take_on_the_whole() -> None:
    """Some take far longer than half of them, and a deep place waits for all."""
    near, deep = (clip("q", tag=1.0),), (Stretch(1000.0, 500, 5_000.0),)
    kinds = [(Kind("red", 1.0, Spread(median, sd)),) for median, sd in ((5.0, 0.8), (5.0 * np.exp(0.32), 0.0))]
    varied, alike = (
        said_of(snapshot(machine(), queue=near, deep=deep, arrivals=Arrivals(0.05, 0.0, each))) for each in kinds
    )
    assert varied.starts[-1].mid == pytest.approx(alike.starts[-1].mid, rel=0.02)


def test_a_free_clip_in_line_makes_deep_paid_places_no_earlier() -> None:
    near = tuple(clip(f"q{n}", tag=float(n), seconds=60.0) for n in range(96))
    deep = tuple(Stretch(100.0 * n, 100, 6_000.0) for n in range(1, 21))
    line = tuple(clip(f"w{n}", seconds=60.0) for n in range(12))
    told = [
        [cast(Any, said.at(tag, Spread(1.0, 0.0))).start.mid for tag in (300.0, 900.0, 2000.0)]
        for window in (line, (*line, clip("free", tag=FREE_BEGINS, seconds=60.0)))
        for said in [said_of(snapshot(machine(), window=window, queue=near, deep=deep, is_whole=False))]
    ]
    assert told[1] == pytest.approx(told[0], rel=0.1)


def test_of_paid_places_that_nobody_has_looked_at_nothing_is_said_though_a_free_clip_is_in_line() -> None:
    near, line = tuple(clip(f"q{n}", tag=float(n)) for n in range(4)), (clip("free", tag=FREE_BEGINS),)
    said = said_of(snapshot(machine(), window=line, queue=near, is_whole=False))
    assert said.at(3.0, Spread(1.0, 0.0)) is not None
    assert said.at(5.0, Spread(1.0, 0.0)) is None
    assert said.at(FREE_BEGINS + 1, Spread(1.0, 0.0)) is None


def test_the_clock_may_be_past_what_waits_deep() -> None:
    """What no machine could make a while ago has kept its tag."""
    near, deep = (clip("q", tag=1.0),), (Stretch(10.0, 100, 6_000.0), Stretch(50.0, 100, 6_000.0))
    said = said_of(snapshot(machine(), queue=near, deep=deep, clock=40.0, is_whole=False))
    assert list(said.tags) == sorted(said.tags)
    assert cast(Any, said.at(10.0, Spread(1.0, 0.0))).start.mid > 3_000


@given(
    paid=st.integers(0, 6),
    free=st.integers(0, 6),
    deep=st.lists(st.sampled_from([3.0, 10.0, 300.0, 900.0, FREE_BEGINS + 50, FREE_BEGINS + 90]), unique=True),
    in_line=st.lists(st.booleans(), max_size=6),
    is_whole=st.booleans(),
    clock=st.sampled_from([0.0, 7.0, 500.0]),
    asked=st.lists(st.floats(0, 1000), min_size=2, max_size=8),
)
@example(paid=4, free=0, deep=[3.0, 10.0], in_line=[], is_whole=False, clock=0.0, asked=[3.0, 9.0])
@settings(max_examples=examples(25), deadline=None)
def test_told_starts_ascend_with_the_tags_of_a_tier(
    paid: int, free: int, deep: list[float], in_line: list[bool], is_whole: bool, clock: float, asked: list[float]
) -> None:
    queue = [clip(f"q{n}", tag=float(n)) for n in range(paid)]
    queue += [clip(f"f{n}", tag=FREE_BEGINS + n) for n in range(free)]
    window = [clip(f"w{n}", tag=FREE_BEGINS * is_free) for n, is_free in enumerate(sorted(in_line))]
    stretches = [Stretch(tag, 100, 1_000.0) for tag in sorted(deep) if queue and tag >= queue[-1].tag]
    said = said_of(
        snapshot(
            machine(),
            window=tuple(window),
            queue=tuple(queue),
            deep=tuple(stretches),
            is_whole=is_whole,
            clock=clock,
            free_clock=FREE_BEGINS + clock,
        ),
        plays=4,
    )
    assert list(said.tags) == sorted(said.tags)
    for begins in (0.0, FREE_BEGINS):
        told = [each.start.mid for tag in sorted(asked) if (each := said.at(begins + tag, Spread(1.0, 0.0)))]
        assert told == sorted(told)


@given(
    st.lists(st.tuples(st.sampled_from(sorted(BUILDS)), st.floats(1, 100), st.floats(0, 0.5)), max_size=20),
    st.integers(1, 3),
)
@settings(max_examples=examples(25), deadline=None)
def test_ranges_are_in_order_and_nobody_is_left_out(clips: list[tuple[str, float, float]], machines: int) -> None:
    line = tuple(clip(f"w{n}", build, tag=float(n), seconds=s, sd=sd) for n, (build, s, sd) in enumerate(clips))
    on = [machine(f"gpu-{n}", budget=60, busy=5.0) for n in range(machines)]
    said = said_of(snapshot(*on, window=line[:6], queue=line[6:]))
    assert set(said.by_id) == {each.id for each in line} | {f"in gpu-{n}" for n in range(machines)}
    for expected in said.by_id.values():
        for each in (expected.start, expected.ready):
            assert 0 <= each.low <= each.mid <= each.high
        assert expected.start.mid <= expected.ready.mid
    knots = [(each.low, each.mid, each.high) for each in said.starts]
    assert all(a <= b for before, after in pairwise(knots) for a, b in zip(before, after, strict=True))


def replayed(clips: list[Clip], budget: int) -> dict[str, float]:
    """Starts on one machine, by ``job_choice.choose`` itself; what is least recently used leaves the card."""
    line, skips, now = list(clips), dict.fromkeys((c.id for c in clips), 0), 0.0
    residents: list[str] = []
    out: dict[str, float] = {}
    while line:
        jobs = {
            c.id: SimpleNamespace(
                model=SimpleNamespace(slug=c.build),
                clip=c,
                yields=yields(c.tag) or c.passes >= MOST_PASSES,
                times_aside=0,
            )
            for c in line
        }

        def missing(job: Any, residents: list[str] = residents) -> float:
            return sum(COMPONENTS[key].load_seconds for key in BUILDS[job.clip.build] if key not in residents)

        choice = choose(
            [Waiting(c.id, cast(Any, jobs[c.id]), now, skips[c.id]) for c in line],
            Bounds(),
            can_hold=lambda waiting: True,
            loading_seconds=missing,
            service_seconds=lambda job: cast(Any, job).clip.service.median_seconds,
        )
        assert choice.taken is not None
        place = [c.id for c in line].index(choice.taken.job_id)
        for each in line[:place]:
            skips[each.id] += 1
        taken = line.pop(place)
        out[taken.id] = round(now, 6)
        now += missing(jobs[taken.id]) + taken.service.median_seconds
        needed = BUILDS[taken.build]
        residents = [key for key in residents if key not in needed] + list(needed)
        while sum(COMPONENTS[key].size_bytes for key in residents) > budget:
            residents = residents[1:]
    return out


PAID, PROMOTED, FREE = "paid", "promoted", "free"
"""A promoted one is free and yields no more, though its job still says so."""


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(BUILDS)), st.integers(1, 60), st.sampled_from([PAID, PAID, PROMOTED, FREE, FREE])
        ),
        max_size=14,
    ),
    st.sampled_from([40, 50, 60]),
)
@example([("blue", 1, PAID), ("red", 1, PAID)], 40).via(
    "what finds where a later clip starts was counted as one more for blue"
)
@example([("blue", 1, PAID), ("red", 40, PAID), ("red", 40, PAID)], 40).via("and went first, as it takes no time")
@example([("blue", 1, PAID), ("red", 9, PAID), ("large", 9, PROMOTED), ("blue", 9, PAID), ("large", 9, FREE)], 40).via(
    "the worker's choice ended at a promoted clip, the played one's did not"
)
@settings(max_examples=examples(60), deadline=None)
def test_the_played_worker_takes_what_the_worker_takes(clips: list[tuple[str, int, str]], budget: int) -> None:
    clips = sorted(clips, key=lambda each: each[2] == FREE)
    line = [
        clip(
            f"w{n}",
            build,
            seconds=float(seconds),
            tag=FREE_BEGINS if tier == FREE else 0.0,
            passes=MOST_PASSES if tier == PROMOTED else 0,
        )
        for n, (build, seconds, tier) in enumerate(clips)
    ]
    assert starts(said_of(snapshot(machine(budget=budget), window=tuple(line)), plays=2)) == replayed(line, budget)


def test_the_window_is_filled_by_tags_and_one_by_one() -> None:
    """The queue stays out of a worker's reach until the window has room for it."""
    line = tuple(clip(f"w{n}") for n in range(12))
    queue = tuple(clip(f"q{n}", "blue", tag=float(n)) for n in range(3))
    said = said_of(snapshot(machine(residents=("blue", "shared")), window=line, queue=queue))
    order = sorted(said.by_id, key=lambda id: said.by_id[id].start.mid)
    assert order[0] == "w0"
    assert Counter(id[0] for id in order) == {"w": 12, "q": 3}


def test_a_card_that_can_hold_none_of_the_first_in_line_looks_further_as_the_worker_does() -> None:
    window = Bounds().window
    machines = (machine("small", budget=15), machine("large", budget=60, busy=50.0))
    for large in (window, window + 4, LOOKS * window - 1):
        line = (*(clip(f"l{n}", "large") for n in range(large)), clip("s"))
        assert starts(said_of(snapshot(*machines, window=line), plays=2))["s"] == 0.0
    line = (*(clip(f"l{n}", "large") for n in range(LOOKS * window)), clip("s"))
    assert starts(said_of(snapshot(*machines, window=line), plays=2))["s"] > 50.0


def test_what_was_taken_further_back_leaves_the_line_and_the_rest_of_it_stands() -> None:
    line = (*(clip(f"l{n}", "large") for n in range(20)), clip("s0"), clip("l20", "large"), clip("s1"), clip("s2"))
    machines = (machine("small", budget=15), machine("large", budget=60, busy=1e6))
    said = starts(said_of(snapshot(*machines, window=line), plays=2))
    assert [said[f"s{n}"] for n in range(3)] == [0.0, 17.0, 27.0]
    assert [id for id in sorted(said, key=said.__getitem__) if id.startswith("l")] == [f"l{n}" for n in range(21)]


@given(
    st.lists(st.sampled_from([10, 20, 30]), min_size=1, max_size=30),
    st.lists(st.tuples(st.sampled_from([10, 20, 30]), st.booleans(), st.integers(1, 30)), max_size=6),
)
@example([10, *[30] * 8], [(30, True, 24), (30, False, 24)]).via("a small free clip is let in, a large one is not")
@settings(max_examples=examples(40), deadline=None)
def test_the_played_window_has_places_for_whom_the_window_has(
    budgets: list[int], lined: list[tuple[int, bool, int]]
) -> None:
    line = [InLine(needed, is_free) for needed, is_free, times in lined for _ in range(times)]
    clips = tuple(
        replace(clip(f"w{n}", tag=FREE_BEGINS if each.is_free else 0.0), needs_bytes=each.needs_bytes or 0)
        for n, each in enumerate(line)
        if (each.needs_bytes or 0) <= max(budgets)
    )
    machines = (machine(f"gpu-{n}", budget=budget) for n, budget in enumerate(budgets))
    played = Simulation(snapshot(*machines, window=clips), np.random.default_rng(0), 1)
    closed = played._queue.closed()  # what it goes by from step to step
    in_line = [each for each in line if (each.needs_bytes or 0) <= max(budgets)]
    for is_free in (False, True):
        places = [Window(budgets, in_line).take(size, is_free=is_free) for size in sorted(set(budgets))]
        assert [not each for each in closed[int(is_free), 0]] == places
