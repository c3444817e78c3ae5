"""What people are told of the wait: the newest forecast, read by one entry, and counted against what came of it."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
import redis
import time_machine
from django.utils import timezone
from redis.client import Pipeline

from accounts.models import Membership, User, Visitor
from accounts.roles import Role
from billing.plans import entitlements
from catalog import versions
from catalog.models import Model, ModelVersion
from catalog.offers import make_offer
from catalog.requests import Ask
from generation.live import polling
from generation.models import ForecastFactor, ForecastHour, Generation, ServiceRate, State, ToldRange
from generation.scheduling import (
    capacity,
    dispatch,
    forecast_board,
    forecast_record,
    misses,
    queue_depth,
    service_rates,
    wait,
)
from generation.scheduling.calibration import Range
from generation.scheduling.forecast import NEAR_CLIPS, Expected
from generation.scheduling.forecast_memory import Memory
from generation.scheduling.misses import Cause
from generation.scheduling.observation import Observer
from generation.scheduling.prospect import prospect_of
from generation.scheduling.service_times import ServiceTimes, Spread
from generation.settlement import forecasting, settle
from generation.submission.submit import submit
from generation.tiers import FREE_BEGINS
from gpu_worker.valkey_names import WORKERS_KEY, worker_key
from gpu_worker.worker_status import WorkerStatus
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_places import crowd

STAGES = {"loading": 3.0, "encoding_prompt": 1.0, "denoising": 30.0, "decoding": 4.0, "uploading": 1.0}


def machine(
    valkey: redis.Redis, *, doing: Generation | None = None, name: str = "gpu-test", state: str = "busy"
) -> None:
    made: dict[str, Any] = (
        {"generation_id": str(doing.id), "attempt": doing.attempt, "started_at": time.time()} if doing else {}
    )
    status = WorkerStatus(name=name, host="h", pid=1, device="card", budget_bytes=2**40, state=state, **made)
    valkey.zadd(WORKERS_KEY, {name: time.time()})
    valkey.set(worker_key(name), json.dumps(status.to_wire()), ex=3600)


def edited(model: Model, **changes: Any) -> ModelVersion:
    model.refresh_from_db()
    assert model.current is not None
    return versions.write(versions.draft(model, versions.state(model.current) | changes), by=None)


def made(visitor: Visitor, stages: dict[str, float] = STAGES, *, worker: str = "gpu-test", **asked: Any) -> Generation:
    """A clip that was rendered and settled."""
    generation = factories.submitted(visitor.workspace, **asked)
    dispatch.fill_window()
    factories.deliver_clip(generation)
    assert settle.settle(factories.report(generation, stage_seconds=stages, worker=worker))
    generation.refresh_from_db()
    return generation


def believed(generation: Generation) -> Spread:
    work = service_rates.work_of(generation)
    return service_rates.read([work]).service(work)


def test_a_report_is_counted_as_the_statistics_have_it(toy: Model, alice: Visitor) -> None:
    known = ServiceTimes()
    for seconds in (30.0, 45.0, 20.0):
        clip = made(alice, STAGES | {"denoising": seconds}, seconds=1)
        known.learn(service_rates.work_of(clip, card=""), STAGES | {"denoising": seconds})
    kept = {row.key: (row.weight, row.mean, row.squares) for row in ServiceRate.objects.all()}
    assert kept.keys() == known.known.keys()
    for key, seen in known.known.items():
        assert kept[key] == pytest.approx((seen.weight, seen.mean, seen.squares))


def test_a_report_costs_one_statement_and_no_row_more(
    toy: Model, alice: Visitor, django_assert_num_queries: Any
) -> None:
    clip = made(alice, seconds=1)
    rows, again = ServiceRate.objects.count(), factories.report(clip, stage_seconds=STAGES)
    assert clip.version.model.slug == "toy"
    with django_assert_num_queries(1):
        service_rates.record(clip, again)
    assert ServiceRate.objects.count() == rows == 8


def test_what_a_card_takes_is_known_of_its_make_whatever_its_workers_are_called(
    toy: Model, alice: Visitor, valkey: redis.Redis
) -> None:
    """Names and makes can be anything that a GPU host writes: the rows are bounded by neither."""
    for number in range(8):
        machine(valkey, name=f"gpu-{number}")
        made(alice, seconds=1, worker=f"gpu-{number}")
    assert ServiceRate.objects.count() == 12
    makes = {capacity.card_of(WorkerStatus(name="gpu", device=f"make {number}")) for number in range(1_000)}
    assert len(makes) <= capacity.CARDS


def test_a_report_of_a_worker_that_is_gone_teaches_the_model_alone(toy: Model, alice: Visitor) -> None:
    made(alice, seconds=1)
    assert ServiceRate.objects.count() == 8


def test_a_price_edit_forgets_nothing_and_another_build_begins_anew(toy: Model, alice: Visitor) -> None:
    for _ in range(3):
        made(alice, seconds=1)
    edited(toy, prices={"standard": {"360p": 6_000}})
    dearer = factories.submitted(alice.workspace, seconds=1)
    assert believed(dearer).median_seconds == pytest.approx(36.0, rel=0.2)
    edited(toy, quantisation="int8")
    other = factories.submitted(alice.workspace, seconds=1)
    assert believed(other).doubt > 2 * believed(dearer).doubt


def test_clips_are_told_one_after_the_other(toy: Model, alice: Visitor, valkey: redis.Redis) -> None:
    for _ in range(5):
        made(alice, seconds=1)
    clips = [factories.submitted(alice.workspace, seconds=1) for _ in range(3)]
    machine(valkey)
    dispatch.fill_window()
    forecasting.put_up_forecast()
    rows = Generation.objects.filter(id__in=[c.id for c in clips]).order_by("fair_finish")
    starts = [expected.start.mid for row in rows if (expected := wait.wait_of(row).expected)]
    assert starts[0] < 2.0
    assert starts[1] > starts[0] + 20
    assert starts[2] > starts[1] + 20


def test_a_clip_just_asked_for_is_told_by_its_place(
    toy: Model, alice: Visitor, bob: Visitor, valkey: redis.Redis, django_assert_num_queries: Any
) -> None:
    machine(valkey)
    for _ in range(2):
        factories.submitted(alice.workspace, seconds=1)
    dispatch.fill_window()
    forecasting.put_up_forecast()
    late = factories.submitted(bob.workspace, seconds=1)
    assert str(late.id) not in forecast_board.of_clips([str(late.id)])
    with django_assert_num_queries(0):  # what such a clip takes is there too
        wait.expectations([late])
    said = wait.wait_of(late)
    assert said.expected is not None
    assert said.expected.start.mid > 10


@pytest.mark.parametrize("is_of_a_person", [True, False])
def test_the_wait_before_asking_is_the_wait_after(
    toy: Model, bob: Visitor, valkey: redis.Redis, is_of_a_person: bool
) -> None:
    """Their line is a person's over all workspaces, or that of a network: what waits elsewhere in it counts."""
    here, there = (factories.visitor(credits=1_000).workspace for _ in range(2))
    if is_of_a_person:
        person = User.objects.create_user("two@example.org", "a long password")
        for workspace in (here, there):
            Membership.objects.create(workspace=workspace, user=person, role=Role.OWNER)
    offer = make_offer(Ask(prompt="a red circle", seconds=1))
    for workspace in (there, there, bob.workspace, bob.workspace, bob.workspace):
        submit(workspace=workspace, offer=offer, network="" if workspace == bob.workspace else "n" * 32)
    with time_machine.travel(timezone.now(), tick=False):
        machine(valkey)
        forecasting.put_up_forecast()
        told = prospect_of(offer, here, may=entitlements(here.id), network="n" * 32)
        asked = submit(workspace=here, offer=offer, network="n" * 32)
        found = wait.wait_of(asked).expected
    assert told is not None
    assert found is not None
    assert told.start.mid == pytest.approx(found.start.mid, abs=1.0)
    assert told.start.mid > 40


def test_a_newcomer_is_told_the_wait_of_their_network(toy: Model, valkey: redis.Redis) -> None:
    offer = make_offer(Ask(prompt="a red circle", seconds=1))
    for _ in range(3):
        submit(workspace=factories.visitor(credits=1_000).workspace, offer=offer, network="n" * 32)
    machine(valkey)
    forecasting.put_up_forecast()
    nobody = entitlements(None)
    theirs, others = (prospect_of(offer, None, may=nobody, network=network) for network in ("n" * 32, "m" * 32))
    assert theirs is not None
    assert others is not None
    assert theirs.start.mid > others.start.mid + 10


def test_the_price_says_when_the_clip_would_be_ready(
    toy: Model, alice: Visitor, valkey: redis.Redis, client_of: ClientOf
) -> None:
    quiet = client_of(alice).get("/generations/price/", {"model": "toy", "seconds": "1"}).json()
    assert "ready" not in quiet
    machine(valkey)
    forecasting.put_up_forecast()
    assert (
        "Ready in about"
        in client_of(alice).get("/generations/price/", {"model": "toy", "seconds": "1"}).json()["ready"]
    )
    assert client_of(alice).get("/generations/price/", {"model": "toy", "seconds": "1"}).json()["ready_seconds"] > 0


def test_api_and_page_say_the_range(toy: Model, alice: Visitor, valkey: redis.Redis, client_of: ClientOf) -> None:
    clip = factories.submitted(alice.workspace, seconds=1)
    machine(valkey)
    dispatch.fill_window()
    forecasting.put_up_forecast()
    queue = client_of(alice).get(f"/v1/videos/{clip.id}").json()["lm"]["queue"]
    assert len(queue["starts"]) == 2
    low, mid, high = queue["ready"]
    assert 0 <= low <= mid <= high
    assert queue["eta_seconds"] == [low, high]
    assert "Ready in about" in client_of(alice).get(f"/generations/{clip.id}/").text


def test_nobody_is_told_what_nobody_keeps_up(toy: Model, alice: Visitor, valkey: redis.Redis) -> None:
    clip = factories.submitted(alice.workspace, seconds=1)
    machine(valkey)
    forecasting.put_up_forecast()
    assert 0 < valkey.ttl(forecast_board.CLIPS_KEY) <= forecast_board.lapses_after_seconds()
    assert 0 < valkey.ttl(forecast_board.PLACES_KEY) <= forecast_board.lapses_after_seconds()
    valkey.delete(forecast_board.CLIPS_KEY, forecast_board.PLACES_KEY)
    said = wait.wait_of(clip)
    assert said.expected is None
    assert said.reason
    assert not said.is_for_a_machine


@pytest.mark.parametrize("written", ["[]", "nonsense", "[1, 2]", '{"at": "x"}'])
def test_an_entry_that_cannot_be_read_says_nothing(
    toy: Model, alice: Visitor, valkey: redis.Redis, written: str
) -> None:
    clip = factories.submitted(alice.workspace, seconds=1)
    machine(valkey)
    valkey.hset(forecast_board.CLIPS_KEY, str(clip.id), written)
    valkey.set(forecast_board.PLACES_KEY, written)
    assert wait.wait_of(clip).expected is None


def test_a_round_asks_the_same_whatever_waits(
    toy: Model, valkey: redis.Redis, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In flight, queued, versions, models, clock, rates, factors, what has ended, who was told, who else is late, the
    new told, and old hours; from the second round on who came since the one before. Of those further back: the newest,
    how many by kind, what they were told, how much was told, rates, and the new told."""
    machine(valkey)
    monkeypatch.setattr(forecasting, "_observer", Observer())
    monkeypatch.setattr(forecasting, "_memory", Memory(_saved_at=time.time()))
    for count, queries in ((1, 12), (12, 19), (12, 18)):  # the near ones were told before
        for _ in range(count):
            factories.submitted(factories.visitor(credits=1_000).workspace, seconds=1)
        queue_depth.walk()
        with django_assert_num_queries(queries):
            forecasting.put_up_forecast()


def test_what_the_newest_are_told_far_back_is_recorded_too(
    toy: Model, bob: Visitor, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(valkey)
    first = [factories.submitted(factories.visitor(credits=1_000).workspace, seconds=1) for _ in range(NEAR_CLIPS)]
    queue_depth.walk()
    far = factories.submitted(bob.workspace, seconds=1)
    Generation.objects.filter(id=far.id).update(fair_finish=2 * FREE_BEGINS)
    with time_machine.travel(timezone.now(), tick=False):
        for _ in range(2):  # the next round has nothing to add
            queue_depth.walk()
            forecasting.put_up_forecast()
        assert str(far.id) not in forecast_board.of_clips([str(far.id)])
        row = ToldRange.objects.get(clip_id=far.id)
        told = wait.wait_of(Generation.objects.get(id=far.id)).expected
    assert told is not None
    assert told.ready.high == pytest.approx(row.high, abs=30.0), "as whoever asked reads it"
    monkeypatch.setattr(forecast_record, "MOST_TOLD", len(first))
    further = factories.submitted(bob.workspace, seconds=1)
    Generation.objects.filter(id=further.id).update(fair_finish=3 * FREE_BEGINS)
    forecasting.put_up_forecast()
    assert not ToldRange.objects.filter(clip_id=further.id).exists(), "what is kept is bounded"


def test_what_came_of_a_forecast_is_counted_and_corrects_the_next(
    toy: Model, alice: Visitor, valkey: redis.Redis
) -> None:
    clip = factories.submitted(alice.workspace, seconds=1)
    machine(valkey)
    dispatch.fill_window()
    forecasting.put_up_forecast()
    assert ToldRange.objects.filter(clip_id=clip.id).count() == 1
    forecasting.put_up_forecast()
    assert ToldRange.objects.filter(clip_id=clip.id).count() == 1, "once for each horizon"
    ToldRange.objects.update(said_at=timezone.now() - timedelta(hours=1))
    factories.deliver_clip(clip)
    assert settle.settle(factories.report(clip, stage_seconds=STAGES))
    forecasting.put_up_forecast()
    assert not ToldRange.objects.exists()
    hour = ForecastHour.objects.get()
    assert (hour.model, hour.told, hour.before, hour.inside) == ("toy", 1, 0, 0)
    assert hour.misses == {Cause.CLOSE: 1}
    assert sum(hour.waits.values()) == 1
    assert all(factor.high > 1.0 for factor in ForecastFactor.objects.all())
    assert ForecastFactor.objects.exists()


def test_whoever_was_promised_too_much_reads_that_and_why(
    toy: Model, alice: Visitor, valkey: redis.Redis, client_of: ClientOf
) -> None:
    clip = factories.submitted(alice.workspace, seconds=1)
    machine(valkey)
    dispatch.fill_window()
    forecasting.put_up_forecast()
    clip.refresh_from_db()
    assert wait.wait_of(clip).missed == ""
    ToldRange.objects.update(said_at=timezone.now() - timedelta(hours=2, minutes=30))
    forecasting.put_up_forecast()
    why = "Sorry, this is taking 2 h longer than we said. The clips ahead of it took longer than we expected."
    assert wait.waits_of([clip])[clip.id].missed == why
    assert json.loads(polling.snapshots_of([clip.id], {clip.id})[clip.id].wait)["missed"] == why
    assert client_of(alice).get(f"/v1/videos/{clip.id}").json()["lm"]["queue"]["missed"] == why
    assert why.partition("&")[0].partition("'")[0] in client_of(alice).get(f"/generations/{clip.id}/").text
    Generation.objects.filter(id=clip.id).update(attempt=2, state=State.RUNNING, worker="gpu-test")
    forecasting.put_up_forecast()
    assert wait.wait_of(Generation.objects.get(id=clip.id)).missed == why, "a cause stays the cause"
    assert polling.snapshots_of([clip.id], {clip.id})[clip.id].missed == why, "also while it is made"
    assert polling.snapshots_of([clip.id], set())[clip.id] == polling.UNKNOWN, "looked up in turn"
    factories.deliver_clip(clip)
    Generation.objects.filter(id=clip.id).update(state=State.SUCCEEDED, finished_at=timezone.now())
    forecasting.put_up_forecast()
    assert ForecastHour.objects.get().misses == {Cause.BUSY: 1}


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, Cause.BUSY),
        ({"attempt": 2}, Cause.HANDED_ON),
        ({"state": State.RUNNING}, Cause.SLOW),
        ({"state": State.RUNNING, "worker": "loads"}, Cause.LOADING),
        ({"state": State.RUNNING, "worker": "signs"}, Cause.SIGNING),
        ({"needs_bytes": 2**60}, Cause.NO_MACHINE),
        ({"attempt": 3, "times_aside": 1}, Cause.HANDED_ON),
        ({"attempt": 2, "times_aside": 1}, Cause.ASIDE),
        ({"worker": "held up"}, Cause.NO_STORAGE),
        ({"attempt": 2, "times_aside": 1, "worker": "held up"}, Cause.NO_STORAGE),
        ({"attempt": 2, "times_aside": 1, "needs_bytes": 2**60}, Cause.NO_MACHINE),
    ],
)
def test_why_a_promise_is_missed(toy: Model, alice: Visitor, changes: dict[str, Any], cause: Cause) -> None:
    clip = factories.submitted(alice.workspace, seconds=1)
    for name, value in changes.items():
        setattr(clip, name, value)
    loading, signing = ({str(clip.id)} if clip.worker == does else set() for does in ("loads", "signs"))
    told = ToldRange(clip_id=clip.id, said_at=timezone.now(), attempt=1, high=1.0)
    found = misses.cause_of(
        clip, told, [clip], loading=loading, signing=signing, largest_bytes=2**40, is_held_up=clip.worker == "held up"
    )
    assert found == cause
    assert misses.sentence(cause)


def test_a_step_aside_that_it_was_told_after_makes_no_promise_late(toy: Model, alice: Visitor) -> None:
    clip = factories.submitted(alice.workspace, seconds=1)
    clip.state, clip.attempt, clip.times_aside = State.RUNNING, 2, 1
    told = ToldRange(clip_id=clip.id, said_at=timezone.now(), attempt=1, high=1.0, times_aside=1)
    assert misses.cause_of(clip, told, [clip], loading=(), largest_bytes=2**40) == Cause.SLOW
    clip.attempt, clip.times_aside = 3, 2
    assert misses.cause_of(clip, told, [clip], loading=(), largest_bytes=2**40) == Cause.ASIDE


def test_a_free_clip_is_late_because_paid_ones_came(toy: Model, alice: Visitor) -> None:
    free, paid = (factories.submitted(alice.workspace, seconds=1) for _ in range(2))
    free.fair_finish, paid.fair_finish = FREE_BEGINS + 1, 1.0
    told = ToldRange(clip_id=free.id, said_at=free.created_at, attempt=1, high=1.0)
    assert misses.cause_of(free, told, [free, paid], loading=(), largest_bytes=2**40) == Cause.OVERTAKEN
    told.said_at = timezone.now()
    assert misses.cause_of(free, told, [free, paid], loading=(), largest_bytes=2**40) == Cause.BUSY


def test_clips_that_stay_open_keep_nothing_from_being_learned(
    toy: Model, alice: Visitor, bob: Visitor, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast_record, "BATCH", 2)
    machine(valkey)
    for _ in range(3):
        factories.submitted(alice.workspace, seconds=1)
    forecasting.put_up_forecast()
    ended = factories.submitted(bob.workspace, seconds=1)
    forecasting.put_up_forecast()
    settle.cancel(ended)
    forecasting.put_up_forecast()
    assert not ToldRange.objects.filter(clip_id=ended.id).exists()


def test_clips_for_a_machine_that_is_off_take_the_forecast_from_nobody(
    toy: Model, alice: Visitor, bob: Visitor, valkey: redis.Redis
) -> None:
    like = factories.submitted(alice.workspace, seconds=1)
    crowd(like, NEAR_CLIPS + 10, needs_bytes=2**50)
    mine = factories.submitted(bob.workspace, seconds=1)
    Generation.objects.filter(id=mine.id).update(fair_finish=FREE_BEGINS + 100.0)
    mine.refresh_from_db()
    machine(valkey)
    forecasting.put_up_forecast()
    assert str(mine.id) in forecast_board.of_clips([str(mine.id)])
    said = wait.wait_of(mine)
    assert said.reason == "1 clip ahead of you."
    assert said.expected is not None


def test_a_clip_on_the_last_machine_is_told_its_end_while_that_drains(
    toy: Model, alice: Visitor, valkey: redis.Redis
) -> None:
    clip = factories.submitted(alice.workspace, seconds=1)
    dispatch.fill_window()
    Generation.objects.filter(id=clip.id).update(state=State.RUNNING, started_at=timezone.now(), worker="gpu-test")
    clip.refresh_from_db()
    queued = factories.submitted(alice.workspace, seconds=1)
    machine(valkey, doing=clip, state="draining")
    forecasting.put_up_forecast()
    running = wait.wait_of(clip)
    assert running.expected is not None
    assert not running.is_for_a_machine
    assert wait.wait_of(queued).expected is None
    assert wait.wait_of(queued).is_for_a_machine


def test_a_round_reads_a_few_entries_of_progress(
    toy: Model, alice: Visitor, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = factories.submitted(alice.workspace, seconds=1)
    Generation.objects.filter(id=clip.id).update(state=State.RUNNING, started_at=timezone.now(), worker="gpu-test")
    machine(valkey, doing=clip)
    asked, read = [], Pipeline.xrevrange

    def xrevrange(self: Pipeline, name: str, *, count: int) -> Any:
        asked.append(count)
        return read(self, name, count=count)

    monkeypatch.setattr(Pipeline, "xrevrange", xrevrange)
    forecasting.put_up_forecast()
    assert asked == [5]


def test_a_clip_that_was_cancelled_teaches_nothing(toy: Model, alice: Visitor, valkey: redis.Redis) -> None:
    clip = factories.submitted(alice.workspace, seconds=1)
    machine(valkey)
    forecasting.put_up_forecast()
    settle.cancel(clip)
    forecasting.put_up_forecast()
    assert not ToldRange.objects.exists()
    assert not ForecastHour.objects.exists()
    assert not ForecastFactor.objects.exists()


def test_a_running_clip_is_told_by_its_steps(toy: Model, alice: Visitor, valkey: redis.Redis) -> None:
    for _ in range(3):
        made(alice, seconds=1)
    clip = factories.submitted(alice.workspace, seconds=1)
    dispatch.fill_window()
    Generation.objects.filter(id=clip.id).update(state=State.RUNNING, started_at=timezone.now(), worker="gpu-test")
    clip.refresh_from_db()
    machine(valkey, doing=clip)
    progress = {"kind": "step", "stage": "denoising", "step": 6, "steps_total": 8, "seconds_per_step": 100.0}
    valkey.xadd(f"generation:{clip.id}", {"event": "step", "data": json.dumps(progress)})
    forecasting.put_up_forecast()
    said = forecast_board.of_clips([str(clip.id)])[str(clip.id)]
    assert said.start == Range(0, 0, 0)
    assert 180 < said.ready.mid < 240


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (Expected(Range(0, 1, 2), Range(20, 30, 41)), "Starts now. Ready in about 20–41 s."),
        (Expected(Range(60, 80, 125), Range(200, 250, 361)), "Starts in 1–2 min. Ready in about 3–6 min."),
        (Expected(Range(100, 101, 110), Range(9000, 9100, 10_000)), "Starts in 2 min. Ready in about 2–3 h."),
    ],
)
def test_it_is_said_in_words(expected: Expected, words: str) -> None:
    assert wait.in_words(expected) == words


def test_percentiles_of_waits_come_from_a_few_counts() -> None:
    waits: dict[str, int] = {}
    for seconds in range(1, 101):
        size = forecast_record.class_of(float(seconds))
        waits[size] = waits.get(size, 0) + 1
    half, most = forecast_record.percentile(waits, 0.5), forecast_record.percentile(waits, 0.9)
    assert half is not None
    assert most is not None
    assert 45 <= half <= 60
    assert 85 <= most <= 110
    assert len(waits) < 30


@pytest.mark.parametrize(
    ("stage", "reason"),
    [("loading", "Weights of Sized are loading on gpu-2, about 20 s."), ("denoising", "Rendering now.")],
)
def test_whoever_waits_for_weights_reads_which_where_and_how_long(
    alice: Visitor, valkey: redis.Redis, client_of: ClientOf, stage: str, reason: str
) -> None:
    factories.model("sized", component_bytes={"text_encoder": 20 * 2**30, "transformer": 20 * 2**30, "vae": 0})
    machine(valkey, name="gpu-2")
    clip = factories.submitted(alice.workspace)
    dispatch.fill_window()
    settle.start(generation_id=clip.id, attempt=1, worker="gpu-2")
    encoder = {"key": "t5", "size_bytes": 10 * 2**30, "tier": "device", "leases": 1}
    said = WorkerStatus.from_wire(
        {"name": "gpu-2", "budget_bytes": 2**40, "generation_id": str(clip.id), "stage": stage, "residents": [encoder]}
    )
    valkey.set(worker_key("gpu-2"), json.dumps(said.to_wire()), ex=60)
    assert client_of(alice).get(f"/v1/videos/{clip.id}").json()["lm"]["queue"]["reason"] == reason
