"""A disk that is full holds the queue up and burns nobody's attempts; one clip at a time finds out when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client

from accounts.models import User
from catalog.models import Model
from generation.models import Generation, State
from generation.scheduling import dispatch, storage_pause, wait
from generation.settlement import settle
from gpu_worker.contract import Outcome, RenderError
from gpu_worker.error_codes import DISK_FULL, UPLOAD_FAILED
from tests.generation import factories

NOON = datetime(2028, 2, 28, 12, tzinfo=UTC)
N = storage_pause.FAILURES_BEFORE_PAUSE


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as travelling:
        yield travelling


@pytest.fixture
def waiting(clock: time_machine.Traveller, toy: Model) -> list[Generation]:
    return [factories.submitted(factories.visitor(credits=100).workspace, seconds=1) for _ in range(N + 2)]


def dispatched() -> list[Generation]:
    dispatch.fill_window()
    return list(Generation.objects.filter(state=State.DISPATCHED).order_by("fair_finish"))


def fail(generation: Generation, code: str = UPLOAD_FAILED) -> None:
    error = RenderError(code=code, message="http://127.0.0.1/worker/files/a-token: 507", is_retryable=True)
    assert settle.settle(factories.report(generation, Outcome.FAILED, error=error))


def succeed(generation: Generation) -> None:
    factories.deliver_clip(generation)
    assert settle.settle(factories.report(generation))


def fill_the_disk() -> None:
    for generation in dispatched()[:N]:
        fail(generation)
    for generation in Generation.objects.filter(state=State.DISPATCHED):
        fail(generation)


@pytest.mark.parametrize("code", [UPLOAD_FAILED, DISK_FULL])
def test_after_a_few_in_a_row_nothing_begins(waiting: list[Generation], code: str) -> None:
    first = dispatched()
    for generation in first[: N - 1]:
        fail(generation, code)
    assert not storage_pause.is_in_force()
    for generation in first[N - 1 :]:
        fail(generation, code)
    assert storage_pause.is_in_force()
    assert dispatched() == []


def test_failures_with_a_success_between_them_are_not_in_a_row(waiting: list[Generation]) -> None:
    first = dispatched()
    for generation in first[: N - 1]:
        fail(generation)
    succeed(first[N - 1])
    fail(first[N])
    assert not storage_pause.is_in_force()


def test_other_failures_do_not_count(waiting: list[Generation]) -> None:
    for generation in dispatched():
        fail(generation, "worker_lost")
    assert not storage_pause.is_in_force()


def test_one_clip_is_tried_when_the_pause_is_over_and_pauses_grow(
    waiting: list[Generation], clock: time_machine.Traveller
) -> None:
    fill_the_disk()
    pauses = []
    for _ in range(8):
        pause = storage_pause.state()
        assert pause is not None
        assert pause.until is not None
        pauses.append((pause.until - datetime.now(UTC)).total_seconds())
        clock.move_to(pause.until - timedelta(seconds=1))
        assert dispatched() == []
        clock.move_to(pause.until)
        [probe] = dispatched()
        assert dispatched() == [probe]
        fail(probe)
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[1] < pauses[-1] == storage_pause.LONGEST_PAUSE.total_seconds()


def test_everything_goes_on_once_a_probe_is_stored(waiting: list[Generation], clock: time_machine.Traveller) -> None:
    fill_the_disk()
    clock.shift(storage_pause.LONGEST_PAUSE)
    [probe] = dispatched()
    succeed(probe)
    assert not storage_pause.is_in_force()
    assert len(dispatched()) == len(waiting) - 1


def test_a_probe_that_comes_to_nothing_is_followed_by_another(
    waiting: list[Generation], clock: time_machine.Traveller
) -> None:
    fill_the_disk()
    clock.shift(storage_pause.LONGEST_PAUSE)
    [probe] = dispatched()
    settle.cancel(probe)
    assert dispatched() == []
    clock.shift(storage_pause.LONGEST_PAUSE)
    assert len(dispatched()) == 1


def test_the_probe_is_not_burnt_and_does_not_stay_for_ever(
    waiting: list[Generation], clock: time_machine.Traveller
) -> None:
    fill_the_disk()
    tried = []
    for _ in range(storage_pause.EXCUSED_ATTEMPTS + 3):
        clock.shift(storage_pause.LONGEST_PAUSE)
        [probe] = dispatched()
        tried.append(probe.id)
        fail(probe)
    first = Generation.objects.get(id=tried[0])
    assert (first.state, first.error_code) == (State.FAILED, UPLOAD_FAILED)
    assert "a-token" not in first.error_message
    assert tried[-1] != tried[0]
    assert Generation.objects.filter(state=State.QUEUED).count() == len(waiting) - 1


def test_those_who_wait_and_staff_are_told(waiting: list[Generation], client: Client) -> None:
    client.force_login(User.objects.create_superuser("staff@example.com", "irrelevant"))
    assert "could not be stored" not in client.get("/admin/fleet/").text
    fill_the_disk()
    waiting[0].refresh_from_db()
    told = wait.wait_of(waiting[0])
    assert (told.reason, told.expected) == (storage_pause.REASON, None)
    assert "could not be stored" in client.get("/admin/fleet/").text
