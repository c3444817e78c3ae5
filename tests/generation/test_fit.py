"""A clip that no machine can hold waits with the reason, takes no place in the window, and is in nobody's way."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import redis
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import example, given
from hypothesis import strategies as st

from accounts.models import Visitor
from billing.shop.models import Plan
from catalog import measurements
from catalog.models import Model
from generation.models import Generation, State
from generation.scheduling import dispatch, places, wait
from generation.scheduling.capacity import (
    JOBS_PER_WORKER,
    LEAST_WINDOW,
    MOST_FREE_FOR_SOME,
    MOST_RESERVED_FOR_SOME,
    places_for,
)
from generation.scheduling.window import InLine, Window
from generation.settlement import settle
from generation.tiers import FREE_BEGINS
from gpu_worker.contract import Outcome, RenderError
from gpu_worker.error_codes import DOES_NOT_FIT
from gpu_worker.job_choice import LOOKS, Bounds
from gpu_worker.valkey_names import WORKERS_KEY, worker_key
from gpu_worker.worker_status import WorkerStatus
from tests.generation import factories
from tests.generation.conftest import ClientOf

GIB = 2**30
SMALL, LARGE = 16 * GIB, 80 * GIB


def machine(valkey: redis.Redis, name: str, budget_bytes: int, **said: Any) -> None:
    status = WorkerStatus(name=name, host="h", pid=1, device="cuda:0", budget_bytes=budget_bytes, **said)
    valkey.zadd(WORKERS_KEY, {name: time.time()})
    valkey.set(worker_key(name), json.dumps(status.to_wire()), ex=60)


@pytest.fixture
def giant(db: None) -> Model:
    """Needs about 47 GB however it is placed."""
    return factories.model(
        "giant", is_default=False, component_bytes={"text_encoder": 45 * 10**9, "transformer": 9**9, "vae": 10**8}
    )


@pytest.fixture
def dwarf(db: None) -> Model:
    return factories.model("dwarf", component_bytes={"text_encoder": 10**9, "transformer": 10**9, "vae": 10**8})


def states(*generations: Generation) -> list[str]:
    return [Generation.objects.get(id=generation.id).state for generation in generations]


def test_what_no_machine_can_hold_stays_queued_and_lets_the_others_by(
    giant: Model, dwarf: Model, alice: Visitor, bob: Visitor, valkey: redis.Redis
) -> None:
    machine(valkey, "small", SMALL)
    large = [factories.submitted(alice.workspace, model="giant") for _ in range(3)]
    small = [factories.submitted(bob.workspace, model="dwarf") for _ in range(2)]
    dispatch.fill_window()
    assert states(*large) == [State.QUEUED] * 3
    assert states(*small) == [State.DISPATCHED] * 2
    assert dispatch.render_queue().count == 2


def test_it_goes_out_as_soon_as_a_machine_is_on_that_can_hold_it(
    giant: Model, alice: Visitor, valkey: redis.Redis
) -> None:
    machine(valkey, "small", SMALL)
    generation = factories.submitted(alice.workspace, model="giant")
    dispatch.fill_window()
    assert states(generation) == [State.QUEUED]
    machine(valkey, "large", LARGE)
    dispatch.fill_window()
    assert states(generation) == [State.DISPATCHED]


def test_the_reason_for_the_wait_is_said_everywhere(
    giant: Model, alice: Visitor, valkey: redis.Redis, client_of: ClientOf
) -> None:
    machine(valkey, "small", SMALL)
    generation = factories.submitted(alice.workspace, model="giant")
    shown = client_of(alice).get(f"/v1/videos/{generation.id}").json()["lm"]["queue"]
    assert "This model is offline right now, and back when a bigger GPU is on (about 47 GB" in shown["reason"]
    assert "has 17 GB" in shown["reason"]
    assert shown["eta_seconds"] is None
    page = client_of(alice).get(f"/generations/{generation.id}/").text
    assert "This model is offline right now" in page
    assert "Ready in about" not in page


def test_no_bar_runs_while_nothing_can_be_made(
    giant: Model, dwarf: Model, alice: Visitor, valkey: redis.Redis, client_of: ClientOf
) -> None:
    machine(valkey, "small", SMALL)
    for model, is_hidden in (("giant", True), ("dwarf", False)):
        page = client_of(alice).get(f"/generations/{factories.submitted(alice.workspace, model=model).id}/").text
        bar = page.split('<progress id="progress"')[1].split(">")[0]
        assert ("hidden" in bar) == is_hidden


def test_the_form_says_before_it_is_sent_that_no_machine_can_hold_a_model(
    giant: Model, dwarf: Model, valkey: redis.Redis, client: Client
) -> None:
    machine(valkey, "small", SMALL)
    page = client.get("/").text
    options = {part.split('"')[0]: part for part in page.split('data-model="')[1:]}
    assert "about 47 GB; the largest one running has 17 GB" in options["giant"]
    assert "offline right now" not in options["dwarf"]
    cards = {part.split('"')[0]: part.split("</label>")[0] for part in page.split('name="model" value="')[1:]}
    assert ">Offline<" in cards["giant"]
    assert ">Offline<" not in cards["dwarf"]
    machine(valkey, "large", LARGE)
    assert ">Offline<" not in client.get("/").text


def test_the_price_says_so_of_the_very_clip(giant: Model, dwarf: Model, valkey: redis.Redis, client: Client) -> None:
    price = "/generations/price/"
    assert "waits" not in client.get(price, {"model": "giant"}).json()  # where nobody knows of a machine
    machine(valkey, "small", SMALL)
    assert "about 47 GB" in client.get(price, {"model": "giant"}).json()["waits"]
    assert "waits" not in client.get(price, {"model": "dwarf"}).json()


def test_a_model_that_was_made_with_less_than_is_computed_is_offered_as_any(
    giant: Model, valkey: redis.Redis, client: Client
) -> None:
    machine(valkey, "small", SMALL)
    assert giant.current is not None
    measurements.record(
        giant.current,
        mode="text",
        preset="standard",
        width=96,
        height=64,
        gpu_seconds=1,
        video_seconds=1,
        peak_bytes=SMALL - 1,
    )
    assert ">Offline<" not in client.get("/").text


def test_what_the_form_says_of_machines_takes_one_query_for_all_models(
    giant: Model, valkey: redis.Redis, client: Client
) -> None:
    machine(valkey, "small", SMALL)
    counts = []
    for number in range(2):
        with CaptureQueriesContext(connection) as queries:
            client.get("/")
        counts.append(len(queries))
        assert giant.current is not None
        factories.model(f"giant-{number}", is_default=False, component_bytes=giant.current.component_bytes)
    assert counts[0] == counts[1]


def test_others_do_not_count_it_as_before_them(
    giant: Model, dwarf: Model, alice: Visitor, bob: Visitor, valkey: redis.Redis
) -> None:
    machine(valkey, "small", SMALL)
    for _ in range(3):
        factories.submitted(alice.workspace, model="giant")
    settle.cancel(factories.submitted(bob.workspace, model="dwarf"))
    mine = factories.submitted(bob.workspace, model="dwarf")
    Generation.objects.filter(id=mine.id).update(fair_finish=FREE_BEGINS + 10**6)
    mine.refresh_from_db()
    assert places.place_of(mine, SMALL).number == 0
    assert places.place_of(mine, LARGE).number == 3
    assert wait.wait_of(mine).place == 0


def test_one_large_machine_does_not_get_the_whole_window(
    giant: Model, dwarf: Model, alice: Visitor, bob: Visitor, valkey: redis.Redis
) -> None:
    Plan.objects.update(open_clips=100)
    machine(valkey, "large", LARGE)
    for name in ("a", "b", "c"):
        machine(valkey, name, SMALL)
    large = [factories.submitted(alice.workspace, model="giant") for _ in range(JOBS_PER_WORKER + 2)]
    small = [factories.submitted(bob.workspace, model="dwarf") for _ in range(3 * JOBS_PER_WORKER + 2)]
    dispatch.fill_window()
    assert states(*large).count(State.DISPATCHED) == JOBS_PER_WORKER
    assert states(*small).count(State.DISPATCHED) == places_for(4, 4) - JOBS_PER_WORKER


def test_who_finds_no_place_for_anybody_does_not_lock_the_clock(
    giant: Model, dwarf: Model, alice: Visitor, bob: Visitor, valkey: redis.Redis
) -> None:
    Plan.objects.update(open_clips=100)
    machine(valkey, "small", SMALL)
    large = [factories.submitted(alice.workspace, model="giant") for _ in range(JOBS_PER_WORKER + 2)]
    with CaptureQueriesContext(connection) as of_none:
        dispatch.fill_window()
    machine(valkey, "large", LARGE)
    dispatch.fill_window()
    assert set(states(*large)) == {State.QUEUED, State.DISPATCHED}
    with CaptureQueriesContext(connection) as of_a_full_line:
        dispatch.fill_window()
    for seen in (of_none, of_a_full_line):
        assert not [each["sql"] for each in seen if "FOR UPDATE" in each["sql"]]
    small = factories.submitted(bob.workspace, model="dwarf")
    dispatch.fill_window()
    assert states(small) == [State.DISPATCHED]


def test_a_machine_that_is_drained_holds_nothing(giant: Model, alice: Visitor, valkey: redis.Redis) -> None:
    machine(valkey, "large", LARGE, state="draining")
    generation = factories.submitted(alice.workspace, model="giant")
    dispatch.fill_window()
    assert states(generation) == [State.QUEUED]


def test_without_any_machine_the_small_ones_are_made_ready(giant: Model, dwarf: Model, alice: Visitor) -> None:
    large, small = (factories.submitted(alice.workspace, model=name) for name in ("giant", "dwarf"))
    dispatch.fill_window()
    assert states(large, small) == [State.QUEUED, State.DISPATCHED]
    assert "We're offline for a moment" in wait.wait_of(large).reason


def test_when_its_machine_goes_away_it_waits_for_another(giant: Model, alice: Visitor, valkey: redis.Redis) -> None:
    machine(valkey, "large", LARGE)
    generation = factories.submitted(alice.workspace, model="giant")
    dispatch.fill_window()
    valkey.flushdb()
    machine(valkey, "small", SMALL)
    refused = RenderError(code=DOES_NOT_FIT, message="at least 45 GB are needed at once")
    settle.settle(factories.report(generation, Outcome.FAILED, error=refused))
    dispatch.fill_window()
    assert states(generation) == [State.QUEUED]


def test_what_was_measured_lowers_what_was_computed(giant: Model) -> None:
    version = giant.current
    assert version is not None
    asked: dict[str, Any] = {"width": 96, "height": 64, "num_frames": 17}
    assert (measurements.least_bytes(version, **asked) or 0) >= 45 * 10**9
    measured: dict[str, Any] = {"mode": "text", "preset": "standard", "gpu_seconds": 1.0, "video_seconds": 1.0}
    measurements.record(version, width=96, height=64, peak_bytes=12 * GIB, **measured)
    assert measurements.least_bytes(version, **asked) == 12 * GIB
    measurements.record(version, width=96, height=64, peak_bytes=70 * GIB, **measured)
    assert (measurements.least_bytes(version, **asked) or 0) >= 45 * 10**9 - 1


def test_a_model_of_unknown_size_is_never_held_back(alice: Visitor, valkey: redis.Redis) -> None:
    factories.model()
    machine(valkey, "tiny", GIB)
    generation = factories.submitted(alice.workspace)
    assert generation.needs_bytes is None
    dispatch.fill_window()
    assert states(generation) == [State.DISPATCHED]


budgets = st.lists(st.sampled_from([4, 16, 24, 48, 80]), min_size=1, max_size=8)
requests = st.lists(st.one_of(st.none(), st.integers(1, 100)), max_size=40)


@given(budgets, requests, requests)
def test_every_size_finds_as_many_places_as_there_are_machines_for_it(
    machines: list[int], waiting: list[int | None], asking: list[int | None]
) -> None:
    places = Window(machines, [InLine(needed, is_free=False) for needed in waiting])
    taken = [needed for needed in asking if places.take(needed, is_free=False)]
    assert all((needed or 0) <= max(machines) for needed in taken)
    for size in machines:
        larger = [needed for needed in taken if (needed or 0) > size]
        able = sum(budget > size for budget in machines)
        assert len(larger) <= max(LEAST_WINDOW, JOBS_PER_WORKER * able)


def test_what_larger_machines_alone_can_hold_leaves_the_others_some_of_their_own_in_sight() -> None:
    machines = [16, *[80] * 99]
    window = Window(machines, [])
    large = sum(window.take(40, is_free=False) for _ in range(1_000))
    assert window.take(1, is_free=False)
    assert large == (LOOKS - 1) * Bounds().window


def test_many_machines_share_the_first_in_line_and_have_one_next_for_each() -> None:
    window = Window([80] * 100, [])
    assert sum(window.take(40, is_free=False) for _ in range(1_000)) == Bounds().window + 2 * 100


@given(budgets, requests, requests)
def test_free_clips_take_no_place_from_others_and_one_of_them_is_always_in_line(
    machines: list[int], free: list[int | None], asking: list[int | None]
) -> None:
    """Unless so many of the larger paid ones are in line already that no worker would look at one more."""
    beside_free, alone = Window(machines, [InLine(needed, is_free=True) for needed in free]), Window(machines, [])
    larger = 0
    for needed in asking:
        took = beside_free.take(needed, is_free=False)
        larger += took and (needed or 0) > min(machines)
        assert took == alone.take(needed, is_free=False) or larger >= MOST_FREE_FOR_SOME > Bounds().window
    assert alone.take(min(machines), is_free=True)


def test_however_many_large_free_clips_wait_a_small_one_is_let_in() -> None:
    """One small card and eight large ones, at night, and then with paid clips too."""
    machines = [16, *[80] * 8]
    window = Window(machines, [])
    for is_free in (True, False):
        while window.take(40, is_free=is_free):
            pass
    assert window.take(1, is_free=True)
    assert not window.take(1, is_free=True)
    assert window.take(1, is_free=False)


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=100),
    st.lists(st.tuples(st.sampled_from(["paid", "free", "start", "promote"]), st.integers(1, 30), st.integers(1, 80))),
)
@example([1, *[80] * 99], [("free", 40, 80), ("paid", 40, 80), ("free", 1, 1)])
@example([*range(1, 31)], [("paid", 30, 80), *[("free", needed, 1) for needed in range(1, 31)]])
def test_a_card_of_each_size_sees_what_it_can_hold_whatever_is_dispatched(
    machines: list[int], events: list[tuple[str, int, int]]
) -> None:
    line: list[InLine] = []
    for event, needed, times in events:
        window = Window(machines, line)
        if event in ("paid", "free"):
            asked = [InLine(needed, is_free=event == "free")] * times
            line += [each for each in asked if window.take(each.needs_bytes, is_free=each.is_free)]
        elif event == "start":
            del line[: min(times, len(line))]
        else:  # what was passed often enough, which only happens while paid ones are let in
            first = next((n for n, each in enumerate(line) if each.is_free), None)
            if first is not None and window.take(needed, is_free=False):
                line += [InLine(needed, is_free=False)]
                line[first] = line[first]._replace(is_free=False)
        for size in machines:
            assert sum((each.needs_bytes or 0) > size for each in line) < LOOKS * Bounds().window
        for needs in set(machines):
            has_one = any(each.is_free and needs_level(machines, each) == needs for each in line)
            crowded = any(
                sum(each.is_free and (each.needs_bytes or 0) > size for each in line) >= MOST_RESERVED_FOR_SOME
                for size in machines
                if size < needs
            )
            assert has_one or crowded or Window(machines, line).take(needs, is_free=True)


def needs_level(machines: list[int], each: InLine) -> int:
    """The smallest card that can hold it."""
    return min((size for size in machines if size >= (each.needs_bytes or 0)), default=0)


@given(budgets, requests)
def test_places_are_left_only_where_nobody_who_asked_could_take_them(
    machines: list[int], asking: list[int | None]
) -> None:
    places = Window(machines, [])
    refused = [needed for needed in asking if not places.take(needed, is_free=True)]
    for needed in refused:
        assert not places.take(needed, is_free=True)
