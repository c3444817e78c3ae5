"""What became of a clip reaches whoever asked to be told: once it is true, at least once, and never for ever."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import redis
import time_machine
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User, Workspace
from generation.models import Generation
from generation.settlement import retries, settle
from generation.webhooks import deliveries, endpoints, video_events
from generation.webhooks.models import Delivery, Endpoint
from gpu_worker.contract import Outcome
from loremotion import outbound, queue_worker, queues
from loremotion.outbox import housekeeping, sending
from loremotion.outbox.models import State
from loremotion.refusals import TooMany
from tests.accounts import factories as people
from tests.generation import factories
from tests.webhooks.receiver import Receiver
from tests.webhooks.steps import finished, only_delivery, work

pytestmark = pytest.mark.django_db


# --- written with the settlement --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("outcome", "event_type"),
    [
        (Outcome.SUCCEEDED, "video.completed"),
        (Outcome.FAILED, "video.failed"),
        (Outcome.CANCELLED, "video.cancelled"),
        (Outcome.BLOCKED, "video.blocked"),
    ],
)
def test_each_end_is_told_as_an_event_in_openais_shape(
    studio: Workspace, endpoint: Endpoint, receiver: Receiver, outcome: Outcome, event_type: str
) -> None:
    generation = finished(studio, outcome)
    assert work() == 1
    event = json.loads(receiver.heard[0].body)
    assert event == {
        "id": f"evt_{generation.id.hex}",
        "object": "event",
        "created_at": int(only_delivery().created_at.timestamp()),
        "type": event_type,
        "data": {"id": str(generation.id)},
    }
    assert receiver.heard[0].headers["webhook-id"] == event["id"]


@pytest.mark.parametrize("outcome", [Outcome.CANCELLED, Outcome.BLOCKED])
def test_who_knows_openais_two_events_alone_is_told_of_every_end_without_a_clip(
    studio: Workspace, endpoint: Endpoint, receiver: Receiver, outcome: Outcome
) -> None:
    endpoints.change(endpoint, actor="test", event_types=["video.completed", "video.failed"])
    finished(studio, outcome)
    assert work() == 1
    assert json.loads(receiver.heard[0].body)["type"] == "video.failed"


def test_an_end_is_told_once_to_each_endpoint_by_the_finest_name_that_it_listens_to(
    studio: Workspace, endpoint: Endpoint, receiver: Receiver
) -> None:
    both = ["video.failed", "video.cancelled"]
    listens_to = {"finer": ["video.cancelled"], "both": both, "openai": ["video.failed"], "not": ["video.completed"]}
    endpoints.change(endpoint, actor="test", name="all")
    for name, event_types in listens_to.items():
        endpoints.create(workspace=studio, actor="test", name=name, url=receiver.url, event_types=event_types)
    settle.cancel(factories.submitted(studio))
    told = dict(Delivery.objects.values_list("endpoint__name", "event_type"))
    assert told == {
        "all": "video.cancelled",
        "finer": "video.cancelled",
        "both": "video.cancelled",
        "openai": "video.failed",
    }
    assert Delivery.objects.count() == len(told)


def test_a_cancel_while_waiting_is_told(studio: Workspace, endpoint: Endpoint) -> None:
    settle.cancel(factories.submitted(studio))
    assert only_delivery().event_type == "video.cancelled"


def test_a_worker_lost_too_often_is_told_as_a_failure(studio: Workspace, endpoint: Endpoint) -> None:
    generation = factories.submitted(studio)
    Generation.objects.filter(id=generation.id).update(state="running", attempt=3)
    retries.requeue(generation_id=generation.id, attempt=3, code="worker_lost", reason="It fell silent.")
    assert only_delivery().event_type == "video.failed"


def test_trying_again_is_not_told(studio: Workspace, endpoint: Endpoint) -> None:
    generation = factories.submitted(studio)
    Generation.objects.filter(id=generation.id).update(state="running", attempt=1)
    retries.requeue(generation_id=generation.id, attempt=1, code="worker_lost", reason="It fell silent.")
    assert not Delivery.objects.exists()


def test_a_report_that_comes_twice_is_told_once(studio: Workspace, endpoint: Endpoint) -> None:
    generation = finished(studio)
    assert not settle.settle(factories.report(generation))
    assert Delivery.objects.count() == 1


def test_a_settlement_that_is_rolled_back_tells_nobody(studio: Workspace, endpoint: Endpoint) -> None:
    generation = factories.submitted(studio)
    with transaction.atomic():
        settle.cancel(generation)
        assert Delivery.objects.exists()
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()


def test_who_does_not_listen_is_not_told(studio: Workspace, endpoint: Endpoint, alice: User) -> None:
    endpoints.change(endpoint, actor="test", event_types=["video.failed"])
    elsewhere = people.team(people.person("bob@example.org"), "Elsewhere")
    Endpoint.objects.filter(id=endpoint.id).update(workspace=elsewhere)
    finished(studio, Outcome.FAILED)  # another workspace's
    Endpoint.objects.filter(id=endpoint.id).update(workspace=studio)
    finished(studio)  # another type
    endpoints.disable(endpoint, actor="test")
    finished(studio, Outcome.FAILED)  # disabled
    assert not Delivery.objects.exists()


def test_ending_a_clip_takes_one_query_more_where_nobody_listens(
    studio: Workspace, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    generation = factories.submitted(studio)
    with django_assert_max_num_queries(1):
        video_events.record_end(generation.id, "cancelled")


# --- at least once, less and less often, not for ever --------------------------------------------------------------
def test_what_fails_is_tried_again_under_the_same_id(studio: Workspace, endpoint: Endpoint, receiver: Receiver) -> None:
    receiver.statuses = [500, 302, 200]
    finished(studio)
    assert work() == 0
    assert (only_delivery().last_status, only_delivery().last_answer) == (500, "heard you")
    assert work() == 0, "it is not due yet"
    assert len(receiver.heard) == 1
    for arrived in (0, 1):
        with time_machine.travel(only_delivery().due_at + timedelta(seconds=1), tick=False):
            assert work() == arrived
    assert len({heard.headers["webhook-id"] for heard in receiver.heard}) == 1
    assert len({heard.body for heard in receiver.heard}) == 1
    assert only_delivery().attempts == 3
    endpoint.refresh_from_db()
    assert (endpoint.failures, endpoint.failing_since) == (0, None)


def test_after_three_days_it_is_dead(studio: Workspace, endpoint: Endpoint, receiver: Receiver) -> None:
    receiver.statuses = [500]
    finished(studio)
    delivery = only_delivery()
    with time_machine.travel(delivery.expires_at - timedelta(seconds=1), tick=False):
        work()
    assert only_delivery().state == State.DEAD
    assert only_delivery().ended_at is not None


def test_dying_at_any_statement_loses_no_delivery(studio: Workspace, endpoint: Endpoint, receiver: Receiver) -> None:
    finished(studio)
    row_id = only_delivery().pk
    survived = 0
    while True:
        before = len(receiver.heard)
        with transaction.atomic():
            try:
                with connection.execute_wrapper(dying_at(survived)):
                    deliveries.deliver(row_id)
                break
            except Died:
                Delivery.objects.update(due_at=timezone.now())  # the dead worker's claim lapses
                if only_delivery().state == State.WAITING:
                    assert deliveries.deliver(row_id)
            assert only_delivery().state == State.SENT
            assert len(receiver.heard) > before
            transaction.set_rollback(True)
        survived += 1
    assert survived >= 5  # so many moments to die at there were
    assert len({heard.headers["webhook-id"] for heard in receiver.heard}) == 1


class Died(BaseException):
    """The process is gone: no handler of ours sees this."""


def dying_at(number: int) -> Callable[..., Any]:
    left = iter(range(number))

    def wrapper(execute: Callable[..., Any], *arguments: Any) -> Any:
        if next(left, None) is None:
            raise Died
        return execute(*arguments)

    return wrapper


def test_the_beat_enqueues_what_nobody_did_and_once_a_minute(
    studio: Workspace, endpoint: Endpoint, valkey: redis.Redis
) -> None:
    finished(studio)
    valkey.flushdb()
    with time_machine.travel(timezone.now() + timedelta(seconds=5), tick=False):
        for _ in range(3):
            housekeeping.sweep()
        assert queues.queue("webhooks").count == 1


@pytest.mark.django_db(transaction=True)  # a worker closes its connections around each job
def test_a_real_worker_carries_it(
    studio: Workspace, endpoint: Endpoint, receiver: Receiver, valkey: redis.Redis
) -> None:
    finished(studio)
    with time_machine.travel(timezone.now() + timedelta(seconds=5)):
        housekeeping.sweep()
        queue_worker.work("webhooks", burst=True)
    assert len(receiver.heard) == 1
    assert only_delivery().state == State.SENT


def test_what_is_long_over_is_forgotten_and_what_waits_is_not(studio: Workspace, endpoint: Endpoint) -> None:
    for _ in range(2):
        finished(studio)
    work()
    finished(studio)
    assert sending.forget_old(Delivery) == 0
    with time_machine.travel(timezone.now() + sending.KEPT + timedelta(minutes=1), tick=False):
        assert sending.forget_old(Delivery) == 2
    assert only_delivery().state == State.WAITING


# --- the address is judged again at each delivery -------------------------------------------------------------------
def test_a_name_that_was_outside_when_it_was_saved_and_is_inside_now_gets_nothing(
    studio: Workspace, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.WEBHOOK_PRIVATE_NETWORKS = []
    monkeypatch.setattr(outbound, "by_dns", lambda host, port: ["93.184.216.34"])
    endpoints.create(
        workspace=studio,
        actor="test",
        name="Rebinding",
        url=f"https://rebinding.example:{receiver.port}/",
        event_types=["video.completed"],
    )
    monkeypatch.setattr(outbound, "by_dns", lambda host, port: ["127.0.0.1"])
    finished(studio)
    assert work() == 0
    assert receiver.heard == []
    assert "private network" in only_delivery().last_error


# --- asked for by hand ------------------------------------------------------------------------------------------


def test_a_workspace_waits_for_a_few_tests_at_once(endpoint: Endpoint, receiver: Receiver) -> None:
    """Whoever owns a server that says nothing would have all places of a process wait for it."""
    most = endpoints.MOST_TESTS_AT_ONCE
    waiting = [endpoints._tests.take(endpoint.workspace_id, most=most) for _ in range(most)]
    with pytest.raises(TooMany):
        endpoints.try_out(endpoint, event_type="video.failed")
    assert (receiver.heard, Delivery.objects.exists()) == ([], False)
    waiting.pop().release()
    for _ in range(2):
        assert not endpoints.try_out(endpoint, event_type="video.failed").error


def test_a_test_is_made_up_and_its_failure_has_no_consequences(
    endpoint: Endpoint, secret: str, receiver: Receiver
) -> None:
    receiver.statuses = [500, 200]
    assert endpoints.try_out(endpoint, event_type="video.failed").status == 500
    assert not endpoints.try_out(endpoint, event_type="video.failed").error
    assert [row.state for row in Delivery.objects.order_by("id")] == [State.DEAD, State.SENT]
    endpoint.refresh_from_db()
    assert endpoint.failures == 0
    assert receiver.heard[1].is_signed_with(secret)
    assert not Generation.objects.filter(id=json.loads(receiver.heard[0].body)["data"]["id"]).exists()


def test_what_was_dead_or_sent_goes_again_under_its_id(
    studio: Workspace, endpoint: Endpoint, receiver: Receiver
) -> None:
    finished(studio)
    work()
    for state in (State.SENT, State.DEAD):
        Delivery.objects.update(state=state)
        endpoints.redeliver(only_delivery())
        assert work() == 1
    assert len({heard.headers["webhook-id"] for heard in receiver.heard}) == 1
    assert len(receiver.heard) == 3


def test_one_event_is_one_row_for_one_endpoint(endpoint: Endpoint) -> None:
    row: dict[str, Any] = {"endpoint": endpoint, "event_id": "evt_1", "event_type": "video.completed"}
    rows = [Delivery(**row, video_id=uuid4(), expires_at=timezone.now()) for _ in range(2)]
    assert len(Delivery.objects.bulk_create(rows, ignore_conflicts=True)) == 2
    assert Delivery.objects.count() == 1
