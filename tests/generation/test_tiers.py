"""Clips that are paid for go before free ones, which delay them by what is in hand, and do not starve."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
import redis
from django.db import connection
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import Visitor
from billing import ledger
from catalog.models import Model
from generation.models import FairClock, Generation, State
from generation.scheduling import dispatch, explanation, fair_queue, places, wait
from generation.scheduling.capacity import JOBS_PER_WORKER
from generation.scheduling.fair_order import first_by_size
from generation.scheduling.window import InLine, Window
from generation.settlement import lost_attempts, settle
from generation.tiers import FREE_BEGINS, MOST_PASSES, pass_first, yields
from gpu_worker.contract import RenderJob
from gpu_worker.job_choice import Bounds, Waiting, choose
from gpu_worker.rq_seams.line import move_before
from gpu_worker.valkey_names import attempt_of
from tests.generation import factories
from tests.gpu_worker.waiting_lines import JOB
from tests.properties import examples

LARGE = 2**50


@pytest.fixture
def payer() -> Visitor:
    """Somebody with bought credits and no plan."""
    made = factories.visitor()
    ledger.grant(account=made.workspace_id, reference="bought", amount=5_000, kind=ledger.LotKind.PACK)
    return made


def line() -> list[str]:
    """Ids of clips in RQ's line."""
    return [attempt_of(job_id)[0] for job_id in dispatch.render_queue().job_ids]


def free_clips(count: int) -> list[Generation]:
    return [factories.submitted(factories.visitor(credits=100).workspace, seconds=1) for _ in range(count)]


def copies(like: Generation, count: int) -> list[Generation]:
    rows = [Generation.objects.get(id=like.id) for _ in range(count)]
    for number, row in enumerate(rows):
        row.id, row.fair_finish = uuid.uuid4(), row.fair_finish + number + 1
    return Generation.objects.bulk_create(rows)


def test_bought_credits_go_before_whatever_is_free(toy: Model, payer: Visitor) -> None:
    free = free_clips(3)
    paid = factories.submitted(payer.workspace, seconds=5)
    assert not yields(paid.fair_finish)
    assert all(yields(clip.fair_finish) for clip in free)
    assert [places.place_of(clip, LARGE).number for clip in (paid, *free)] == [0, 1, 2, 3]


def test_a_paid_clip_goes_before_free_ones_that_are_in_line_already(toy: Model, payer: Visitor) -> None:
    free = free_clips(4)
    dispatch.fill_window()
    in_line = line()
    assert len(in_line) == 4
    paid = [factories.submitted(payer.workspace, seconds=1) for _ in range(2)]
    dispatch.fill_window()
    assert line() == [str(clip.id) for clip in paid] + in_line
    paid[1].refresh_from_db()
    assert paid[1].state == State.DISPATCHED
    assert places.place_of(paid[1], LARGE).number == 1
    assert places.place_of(free[-1], LARGE).number >= 2 + len(in_line) - 1


def test_a_paid_clip_goes_before_free_ones_that_stand_in_another_order(
    toy: Model, payer: Visitor, valkey: redis.Redis
) -> None:
    free_clips(3)
    dispatch.fill_window()
    key = dispatch.render_queue().key
    valkey.lmove(key, key, "LEFT", "RIGHT")  # where a second process enqueued first
    in_line = line()
    paid = factories.submitted(payer.workspace, seconds=1)
    dispatch.fill_window()
    assert line() == [str(paid.id), *in_line]


def test_a_paid_clip_that_is_ahead_already_stays_where_it_is(valkey: redis.Redis) -> None:
    valkey.rpush("line", "paid", "other", "free")
    assert not move_before(valkey, "line", "paid", ["free"])
    assert valkey.lrange("line", 0, -1) == [b"paid", b"other", b"free"]
    assert not move_before(valkey, "line", "gone", ["free"])
    assert not move_before(valkey, "line", "free", ["gone"])


@pytest.mark.parametrize("enqueued_again", [True, False])
def test_a_paid_clip_left_behind_free_ones_gets_its_place(
    toy: Model, payer: Visitor, monkeypatch: pytest.MonkeyPatch, enqueued_again: bool
) -> None:
    """By whoever enqueues it again, and by the beat."""
    free_clips(2)
    dispatch.fill_window()
    in_line = line()
    paid = factories.submitted(payer.workspace, seconds=1)

    def fail(*_: object) -> bool:
        raise redis.ConnectionError

    with monkeypatch.context() as valkey_away:
        valkey_away.setattr("gpu_worker.rq_seams.line.move_before", fail)
        dispatch.fill_window()
    assert line() == [*in_line, str(paid.id)]
    if enqueued_again:
        paid.refresh_from_db()
        dispatch.enqueue(paid)
    else:
        Generation.objects.update(dispatched_at=timezone.now() - timedelta(seconds=3))
        lost_attempts.dispatch_lost()
    assert line() == [str(paid.id), *in_line]


def test_the_clocks_of_the_tiers_do_not_move_each_other(toy: Model, payer: Visitor) -> None:
    free_clips(1)
    factories.submitted(payer.workspace, seconds=1)
    dispatch.fill_window()
    clock = FairClock.objects.get()
    assert (clock.virtual_time, clock.free_time) == (6.0, FREE_BEGINS + 6.0)
    assert factories.submitted(factories.visitor(credits=100).workspace, seconds=1).fair_finish == FREE_BEGINS + 12
    settle.cancel(Generation.objects.filter(fair_finish__lt=FREE_BEGINS).get())
    assert factories.submitted(payer.workspace, seconds=1).fair_finish == 12.0


def test_the_line_of_one_tier_is_not_that_of_the_other(toy: Model, alice: Visitor) -> None:
    first = factories.submitted(alice.workspace, seconds=1)
    ledger.grant(account=alice.workspace_id, reference="bought", amount=500, kind=ledger.LotKind.PACK)
    second = factories.submitted(alice.workspace, seconds=1)
    assert (first.fair_finish - FREE_BEGINS, second.fair_finish) == (6.0, 6.0)


def test_after_sixteen_a_free_clip_keeps_its_place_in_line(toy: Model, payer: Visitor, valkey: redis.Redis) -> None:
    free = free_clips(1)[0]
    dispatch.fill_window()
    copies(factories.submitted(payer.workspace, seconds=1), 40)
    dispatch.fill_window()
    seen = 0
    while line()[0] != str(free.id):
        first = Generation.objects.get(id=line()[0])
        valkey.lpop(dispatch.render_queue().key)
        settle.start(generation_id=first.id, attempt=first.attempt, worker="gpu-test")
        seen += 1
        assert seen <= MOST_PASSES
    free.refresh_from_db()
    assert seen == MOST_PASSES
    assert not yields(free.fair_finish)


def test_a_place_counts_the_free_clip_that_goes_along(toy: Model, payer: Visitor, valkey: redis.Redis) -> None:
    free_clips(1)
    dispatch.fill_window()
    last = copies(factories.submitted(payer.workspace, seconds=1), 19)[-1]
    place = places.place_of(last, LARGE)
    seen = 0
    while line()[0] != str(last.id):
        first = Generation.objects.get(id=line()[0])
        valkey.lpop(dispatch.render_queue().key)
        settle.start(generation_id=first.id, attempt=first.attempt, worker="gpu-test")
        dispatch.fill_window()
        seen += 1
    assert place == places.Place(seen)
    assert seen == 20


def test_a_free_clip_that_yields_no_more_has_its_place_behind_those_that_passed_it(toy: Model, payer: Visitor) -> None:
    """All of one batch, and one of the same batch that did not pass it."""
    free = free_clips(1)[0]
    dispatch.fill_window()
    Generation.objects.filter(id=free.id).update(passes=MOST_PASSES - 2)
    copies(factories.submitted(payer.workspace, seconds=1), 2)
    dispatch.fill_window()
    look = places.look(LARGE)
    in_line = list(Generation.objects.filter(id__in=line()))
    assert len(in_line) == 4
    in_line.sort(key=lambda clip: look.place_of(clip).number)
    assert [str(clip.id) for clip in in_line] == line()
    assert in_line[2] == free


def test_one_free_clip_gets_into_line_however_many_paid_ones_wait(toy: Model, payer: Visitor) -> None:
    copies(factories.submitted(payer.workspace, seconds=1), 40)
    free = free_clips(2)
    dispatch.fill_window()
    dispatch.fill_window()
    assert line()[-1] == str(free[0].id)
    free[1].refresh_from_db()
    assert free[1].state == State.QUEUED


def test_a_job_says_that_it_yields(toy: Model, payer: Visitor) -> None:
    free, paid = free_clips(1)[0], factories.submitted(payer.workspace, seconds=1)
    assert free.render_job(inputs={}, outputs={}).yields
    assert not paid.render_job(inputs={}, outputs={}).yields


def test_who_waits_behind_paid_clips_reads_it(toy: Model, payer: Visitor, valkey: redis.Redis) -> None:
    factories.submitted(payer.workspace, seconds=1)
    free = free_clips(1)[0]
    assert explanation.GOES_FIRST in wait.wait_of(free).why_this_place
    second = factories.submitted(payer.workspace, seconds=1)
    assert explanation.GOES_FIRST not in wait.wait_of(second).why_this_place


# --- the rules together, with nothing in hand but functions ---------------------------------------------------------


@dataclass
class Clip:
    """One that waits, and who started while it did."""

    name: str
    tag: float
    passes: int = 0
    needs_bytes: int = 1
    says_yields: bool = False
    """Its job, which is told once."""
    free_before: int = 0
    paid_before: int = 0


@dataclass
class Site:
    """Queue, window and line with the site's own rules, and workers that take by theirs."""

    workers: int
    queue: list[Clip] = field(default_factory=list)
    line: list[Clip] = field(default_factory=list)
    clock: dict[bool, float] = field(default_factory=lambda: {False: 0.0, True: FREE_BEGINS})
    started: list[Clip] = field(default_factory=list)
    came: int = 0

    def ask(self, *, is_free: bool) -> None:
        self.came += 1
        tag = fair_queue.next_finish(now=self.clock[is_free], last_finish=0.0, cost=1.0 + self.came % 7, weight=1.0)
        self.queue.append(Clip(f"{self.came}", tag))
        self.fill()

    def fill(self) -> None:
        window = Window([1] * self.workers, [InLine(each.needs_bytes, yields(each.tag)) for each in self.line])
        for clip in sorted(self.queue, key=lambda clip: clip.tag):
            is_free = yields(clip.tag)
            if not window.take(clip.needs_bytes, is_free=is_free):
                continue
            self.queue.remove(clip)
            self.clock[is_free] = max(self.clock[is_free], clip.tag)
            clip.says_yields = is_free
            place = next((n for n, each in enumerate(self.line) if yields(each.tag)), len(self.line))
            if not is_free and (promoted := pass_first(self.line[place:])) is not None:
                promoted.tag = self.clock[False]
            self.line.insert(len(self.line) if is_free else place, clip)

    def start_next(self) -> None:
        taken = choose(
            [Waiting(each.name, replace(JOB, yields=each.says_yields), 0.0, 0) for each in self.line],
            Bounds(),
            can_hold=lambda waiting: True,
            loading_seconds=lambda job: 0.0,
            service_seconds=lambda job: 1.0,
        ).taken
        if taken is None:
            return
        clip = next(each for each in self.line if each.name == taken.job_id)
        self.line.remove(clip)
        self.started.append(clip)
        for each in (*self.line, *self.queue):
            each.free_before += yields(clip.tag) or clip.passes >= MOST_PASSES
            each.paid_before += not (yields(clip.tag) or clip.passes >= MOST_PASSES)
        self.fill()


EVENTS = st.lists(st.sampled_from(["paid", "free", "start"]), max_size=120)


@settings(max_examples=examples(25), deadline=None)
@given(EVENTS, st.integers(1, 3))
def test_beside_what_is_in_hand_a_paid_clip_waits_for_one_free_one_in_sixteen(events: list[str], workers: int) -> None:
    site = Site(workers)
    for event in events:
        if event == "start":
            site.start_next()
        else:
            site.ask(is_free=event == "free")
    for _ in range(len(events)):
        site.start_next()
    assert not site.line
    assert not site.queue
    for clip in site.started:
        if not yields(clip.tag) and not clip.passes:
            assert clip.free_before <= 1 + clip.paid_before // MOST_PASSES


@given(st.integers(1, 3), st.integers(1, 2))
@settings(max_examples=examples(6), deadline=None)
def test_no_free_clip_starves_however_many_paid_ones_come(free: int, workers: int) -> None:
    site = Site(workers)
    for _ in range(free):
        site.ask(is_free=True)
    for _ in range(JOBS_PER_WORKER * workers):
        site.ask(is_free=False)
    for _ in range((free + 1) * (MOST_PASSES + 1)):
        site.start_next()
        site.ask(is_free=False)
    assert sum(clip.passes > 0 for clip in site.started) == free


def test_a_worker_loads_for_no_free_clip_while_a_paid_one_waits() -> None:
    model = replace(JOB.model, slug="loaded")
    paid, free = JOB, replace(JOB, model=model, yields=True)

    def taken(jobs: list[RenderJob]) -> Any:
        found = choose(
            [Waiting(f"{n}", job, 0.0, 0) for n, job in enumerate(jobs)],
            Bounds(),
            can_hold=lambda waiting: True,
            loading_seconds=lambda job: 0.0 if job.model.slug == "loaded" else 60.0,
            service_seconds=lambda job: 1.0,
        ).taken
        return found and found.job_id

    assert taken([paid, free]) == "0"
    assert taken([paid, replace(free, yields=False)]) == "1"
    assert taken([replace(paid, yields=True), free]) == "1"


def test_tags_bound_what_is_read_of_the_queue(toy: Model, payer: Visitor) -> None:
    sql, values = first_by_size("id", most=5, up_to_bytes=LARGE, from_tag=FREE_BEGINS)
    free = free_clips(1)[0]
    factories.submitted(payer.workspace, seconds=1)
    assert [row.id for row in Generation.objects.raw(sql, values)] == [free.id]


# --- beside a release without tiers, or after a rollback to one -----------------------------------------------------


def dispatched_without_tiers() -> None:
    """Move the clock as a release without tiers does once it has dispatched all that wait: to the last tag."""
    waiting = Generation.objects.filter(state=State.QUEUED).order_by("fair_finish", "created_at", "id")
    tag = [clip.fair_finish for clip in waiting][-1]
    waiting.update(state=State.DISPATCHED, attempt=1, flow="", dispatched_at=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("SELECT virtual_time FROM generation_fairclock WHERE id = 1 FOR UPDATE")
        if tag > cursor.fetchone()[0]:
            cursor.execute("UPDATE generation_fairclock SET virtual_time = %s WHERE id = 1", [tag])


def test_a_release_without_tiers_does_not_end_them(toy: Model, payer: Visitor) -> None:
    fair_queue.lock_clock()
    factories.submitted(payer.workspace, seconds=1)
    dispatch.fill_window()
    free_clips(1)
    dispatched_without_tiers()
    clock = FairClock.objects.get()
    assert (clock.virtual_time, clock.free_time) == (6.0, FREE_BEGINS + 6)
    settle.cancel(Generation.objects.filter(fair_finish__lt=FREE_BEGINS).get())
    tags = [factories.submitted(payer.workspace, seconds=1).fair_finish for _ in range(2)]
    assert tags == [12.0, 18.0]
    assert free_clips(1)[0].fair_finish == FREE_BEGINS + 12
    dispatch.fill_window()
    clock.refresh_from_db()
    assert (clock.virtual_time, clock.free_time) == (18.0, FREE_BEGINS + 12)


def test_a_release_without_tiers_queues_behind_what_is_paid_for_alone(toy: Model, alice: Visitor) -> None:
    """Of a line with clips of both tiers; and of those without a line, which came before there were any."""
    free = factories.submitted(alice.workspace, seconds=1)
    ledger.grant(account=alice.workspace_id, reference="bought", amount=500, kind=ledger.LotKind.PACK)
    paid = factories.submitted(alice.workspace, seconds=1)
    for flow in (free.flow, ""):
        Generation.objects.update(flow=flow)
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM generation_join_line(%s, %s)", [alice.workspace_id, free.flow])
            assert cursor.fetchone() == (0.0, paid.fair_finish, 2, free.flow)


def test_a_clock_that_was_taken_to_the_tags_of_free_clips_is_put_back(toy: Model, payer: Visitor) -> None:
    migration = import_module("generation.migrations.0027_clock_beside_old_release")
    fair_queue.lock_clock()
    factories.submitted(payer.workspace, seconds=1)
    dispatch.fill_window()
    waits = factories.submitted(factories.visitor(credits=100).workspace, seconds=1)
    Generation.objects.filter(id=waits.id).update(fair_finish=600.0)  # the clock has not come to it
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(migration.TIERS_TOGETHER)
        cursor.execute("UPDATE generation_fairclock SET virtual_time = %s", [FREE_BEGINS + 60])
        cursor.execute(migration.REPAIR)
        cursor.execute(migration.KEEP_TIERS_APART)
    clock = FairClock.objects.get()
    assert (clock.virtual_time, clock.free_time) == (6.0, FREE_BEGINS + 60)
