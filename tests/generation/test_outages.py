"""Machines that are lost and come back, and what forecasts make of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from generation.scheduling.outages import FORGOTTEN_SECONDS, Watch, share_here, what_is_left
from generation.scheduling.service_times import Spread
from generation.scheduling.snapshot import Outages
from gpu_worker.valkey_names import WORKER_DEAD_AFTER_SECONDS
from tests.generation.test_forecast import clip, machine, said_of, snapshot, starts

BOTH = {"gpu-1": 10, "gpu-2": 20}
ONE = {"gpu-1": 10}


def watched(*looks: tuple[dict[str, int], float], leaving: tuple[str, ...] = ()) -> Watch:
    watch = Watch()
    for here, at in looks:
        watch.see(here, leaving, at)
    return watch


def test_a_machine_that_is_gone_without_a_word_is_expected_back_as_large_as_it_was() -> None:
    (away,) = watched((BOTH, 0.0), (ONE, 5.0)).away(65.0)
    assert (away.name, away.budget_bytes) == ("gpu-2", 20)
    assert away.away is not None
    assert away.away.median_seconds > 60


def test_a_machine_that_takes_no_more_leaves_on_purpose() -> None:
    watch = watched((BOTH, 0.0), (ONE, 5.0), (ONE, 10.0), leaving=("gpu-2",))
    assert not watch.away(10.0)
    assert watch.outages().per_second <= Watch().outages().per_second


def test_a_machine_that_is_back_or_long_gone_is_not_expected() -> None:
    assert not watched((BOTH, 0.0), (ONE, 5.0), (BOTH, 60.0)).away(60.0)
    assert not watched((BOTH, 0.0), (ONE, 5.0), (ONE, 10.0 + FORGOTTEN_SECONDS)).away(10.0 + FORGOTTEN_SECONDS)


def test_names_that_come_and_go_do_not_add_up() -> None:
    crowd = {f"gpu-{number}": 1 for number in range(1000)}
    assert len(watched((crowd, 0.0), ({}, 5.0)).away(5.0)) <= 128


def test_how_often_and_for_how_long_is_learned() -> None:
    watch = Watch()
    at = 0.0
    for _ in range(20):  # an hour on, a quarter of an hour away
        for _ in range(120):
            watch.see(ONE, (), at := at + 30)
        for _ in range(30):
            watch.see({}, (), at := at + 30)
    watch.see(ONE, (), at + 30)
    found = watch.outages()
    assert 1 / found.per_second == pytest.approx(3600, rel=0.3)
    assert found.lasts.median_seconds == pytest.approx(900, rel=0.15)
    assert found.lasts.sd < 0.5


@pytest.mark.parametrize(("blip", "long"), [(2.0, 1200.0), (5.0, 3500.0), (300.0, 300.0)])
def test_what_share_of_machines_is_here_is_learned_from_blips_and_long_absences(blip: float, long: float) -> None:
    watch, at = Watch(), 0.0
    for away in (blip, long) * 100:
        for _ in range(20):
            watch.see(ONE, (), at := at + 30)
        watch.see({}, (), at := at + 1)
        watch.see(ONE, (), at := at + away)
    is_here = 600 / (600 + (blip + long) / 2)
    assert is_here / 2 < share_here(watch.outages()) < 2 * is_here


def test_machines_that_are_never_lost_are_all_here() -> None:
    assert share_here(Outages()) == 1.0


def test_the_longer_something_lasts_the_less_is_left_of_what_is_known_and_the_more_of_what_is_not() -> None:
    known, unknown = Spread(900.0, 0.05), Spread(900.0, 2.0)
    assert what_is_left(known, 600.0).median_seconds == pytest.approx(300, rel=0.05)
    assert what_is_left(Spread(900.0, 0.0), 600.0).median_seconds == 300
    assert what_is_left(unknown, 5000.0).median_seconds > what_is_left(unknown, 600.0).median_seconds
    for elapsed in (0.0, 899.0, 1e6):
        assert what_is_left(known, elapsed).median_seconds > 0


def test_machines_that_are_lost_make_late_what_waits_long_and_hardly_what_is_next() -> None:
    line = tuple(clip(f"w{n}", seconds=30.0) for n in range(12))
    calm = snapshot(machine("a"), machine("b"), window=line)
    stormy = replace(calm, outages=Outages(1 / 1800, Spread(900.0, 0.1)))
    before, after = (said_of(each, plays=400) for each in (calm, stormy))
    assert after.by_id["w11"].ready.high > before.by_id["w11"].ready.high + 120
    assert after.by_id["w0"].ready.mid == before.by_id["w0"].ready.mid
    assert after.by_id["w11"].ready.mid < before.by_id["w11"].ready.high + 120


def test_what_a_lost_machine_made_is_made_again_by_another() -> None:
    """It is lost as soon as it has begun and back at once, which is noticed once its heartbeat is missed."""
    lost = Outages(1e9, Spread(1e-9, 0.0))
    said = said_of(snapshot(machine(residents=("red", "shared")), window=(clip("a"),), outages=lost))
    assert said.by_id["a"].ready.mid == pytest.approx(WORKER_DEAD_AFTER_SECONDS + 10.0, abs=1.0)


def test_a_machine_that_is_busy_may_be_lost_as_well() -> None:
    stormy = Outages(1e9, Spread(600.0, 0.0))
    said = said_of(snapshot(machine(busy=50.0, residents=("red", "shared")), window=(clip("a"),), outages=stormy))
    assert starts(said)["a"] == pytest.approx(650.0)
