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
from django.core import mail
from django.db import connection, transaction
from django.utils import timezone
from standardwebhooks.webhooks import WebhookVerificationError

from accounts.models import AuditEntry, User, Workspace
from generation.models import Generation
from generation.settlement import settle
from generation.webhooks import deliveries, endpoints, video_events
from generation.webhooks.models import Delivery, Endpoint
from gpu_worker.contract import Outcome
from loremotion import outbound, queue_worker, queues
from loremotion.outbox import housekeeping, sending
from loremotion.outbox import mail as outbox_mail
from loremotion.outbox.models import MailMessage, State
from loremotion.refusals import TooMany
from tests.accounts import factories as people
from tests.generation import factories
from tests.webhooks.receiver import Receiver

pytestmark = pytest.mark.django_db


def finished(studio: Workspace, outcome: Outcome = Outcome.SUCCEEDED) -> Generation:
    """A clip that has ended, settled as its worker reported."""
    generation = factories.submitted(studio)
    generation.attempt, generation.state = 1, "running"
    generation.save(update_fields=["attempt", "state"])
    if outcome == Outcome.SUCCEEDED:
        factories.deliver_clip(generation)
    settle.settle(factories.report(generation, outcome))
    return generation


def work() -> int:
    """One pass of the workers over what is due now. Returns how many arrived."""
    due = Delivery.objects.filter(state=State.WAITING, due_at__lte=timezone.now()).order_by("due_at")
    return sum(deliveries.deliver(row_id) for row_id in list(due.values_list("id", flat=True)))


def only_delivery() -> Delivery:
    return Delivery.objects.get()


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
    settle.requeue(generation_id=generation.id, attempt=3, code="worker_lost", reason="It fell silent.")
    assert only_delivery().event_type == "video.failed"


def test_trying_again_is_not_told(studio: Workspace, endpoint: Endpoint) -> None:
    generation = factories.submitted(studio)
    Generation.objects.filter(id=generation.id).update(state="running", attempt=1)
    settle.requeue(generation_id=generation.id, attempt=1, code="worker_lost", reason="It fell silent.")
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


# --- signed -----------------------------------------------------------------------------------------------------


def test_the_signature_is_the_secrets_and_nobody_elses(
    studio: Workspace, endpoint: Endpoint, receiver: Receiver
) -> None:
    finished(studio)
    work()
    assert receiver.heard[0].is_signed_with(endpoint.text)  # type: ignore[attr-defined]
    receiver.heard[0].body += b" "
    with pytest.raises(WebhookVerificationError):
        receiver.heard[0].is_signed_with(endpoint.text)  # type: ignore[attr-defined]


def test_for_a_day_after_rotation_both_secrets_sign(studio: Workspace, endpoint: Endpoint, receiver: Receiver) -> None:
    new = endpoints.rotate(endpoint, actor="test")
    finished(studio)
    work()
    assert receiver.heard[0].is_signed_with(endpoint.text)  # type: ignore[attr-defined]
    assert receiver.heard[0].is_signed_with(new)
    with time_machine.travel(timezone.now() + endpoints.ROTATION_OVERLAP, tick=False):
        finished(studio)
        work()
        assert receiver.heard[1].is_signed_with(new)
        with pytest.raises(WebhookVerificationError):
            receiver.heard[1].is_signed_with(endpoint.text)  # type: ignore[attr-defined]


def test_a_leaked_secret_signs_nothing_more(studio: Workspace, endpoint: Endpoint, receiver: Receiver) -> None:
    endpoints.rotate(endpoint, actor="test", keeps_old=False)
    finished(studio)
    work()
    with pytest.raises(WebhookVerificationError):
        receiver.heard[0].is_signed_with(endpoint.text)  # type: ignore[attr-defined]


def test_the_database_alone_holds_no_secret(endpoint: Endpoint) -> None:
    stored = json.dumps(list(Endpoint.objects.values()), default=str)
    assert endpoint.text not in stored  # type: ignore[attr-defined]
    assert endpoint.text.removeprefix("whsec_") not in stored  # type: ignore[attr-defined]


def test_under_another_secret_key_the_delivery_says_to_rotate(
    studio: Workspace, endpoint: Endpoint, receiver: Receiver, settings: Any
) -> None:
    settings.SECRET_KEY = "another key, which is also long enough to be one"
    finished(studio)
    assert work() == 0
    assert "Rotate" in only_delivery().last_error
    new = endpoints.rotate(endpoint, actor="test")
    endpoints.redeliver(only_delivery())
    assert work() == 1
    assert receiver.heard[0].is_signed_with(new)


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


# --- an endpoint that fails ---------------------------------------------------------------------------------------


def test_a_failing_endpoint_costs_one_request_a_pause_whatever_waits_for_it(
    studio: Workspace, endpoint: Endpoint, receiver: Receiver
) -> None:
    receiver.statuses = [503]
    for _ in range(5):
        finished(studio)
    work()
    assert len(receiver.heard) == 1
    finished(studio)  # what comes meanwhile waits as well
    work()
    assert len(receiver.heard) == 1
    receiver.statuses = [200]
    endpoint.refresh_from_db()
    with time_machine.travel(Delivery.objects.latest("due_at").due_at + timedelta(seconds=1), tick=False):
        assert work() == 6


def test_once_it_is_well_what_was_kept_back_goes_at_once(
    studio: Workspace, endpoint: Endpoint, receiver: Receiver
) -> None:
    receiver.statuses = [503]
    for _ in range(3):
        finished(studio)
    work()
    receiver.statuses = [200]
    assert not endpoints.try_out(endpoint, event_type="video.failed").error
    assert work() == 2


def test_after_days_of_failures_it_is_disabled_and_its_keepers_get_one_mail(
    studio: Workspace, endpoint: Endpoint, receiver: Receiver, alice: User
) -> None:
    receiver.statuses = [503]
    people_there = people.person("viewer@example.org")
    studio.memberships.create(user=people_there, role="viewer")
    began = timezone.now()
    finished(studio)
    while Endpoint.objects.get().is_enabled:
        waiting = Delivery.objects.filter(state=State.WAITING).order_by("due_at")
        with time_machine.travel(waiting[0].due_at if waiting else timezone.now() + timedelta(hours=80), tick=False):
            if not waiting:
                finished(studio)
            work()
    disabled = Endpoint.objects.get()
    assert disabled.disabled_at is not None
    assert disabled.disabled_at - began >= deliveries.DISABLED_AFTER
    assert "3 days" in disabled.disabled_because
    assert not Delivery.objects.filter(state=State.WAITING).exists()
    assert AuditEntry.objects.get(workspace=studio, event="webhook.disabled").actor == "LoreMotion"
    with time_machine.travel(disabled.disabled_at, tick=False):
        assert outbox_mail.send(MailMessage.objects.get().pk)
    assert [message.to for message in mail.outbox] == [["alice@example.org"]]
    assert receiver.url in str(mail.outbox[0].body)


def test_an_endpoint_that_says_it_is_gone_is_disabled_at_once(
    studio: Workspace, endpoint: Endpoint, receiver: Receiver
) -> None:
    receiver.statuses = [410]
    finished(studio)
    finished(studio)
    work()
    assert not Endpoint.objects.get().is_enabled
    assert set(Delivery.objects.values_list("state", flat=True)) == {State.DEAD}
    assert len(receiver.heard) == 1


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


def test_a_test_is_made_up_and_its_failure_has_no_consequences(endpoint: Endpoint, receiver: Receiver) -> None:
    receiver.statuses = [500, 200]
    assert endpoints.try_out(endpoint, event_type="video.failed").status == 500
    assert not endpoints.try_out(endpoint, event_type="video.failed").error
    assert [row.state for row in Delivery.objects.order_by("id")] == [State.DEAD, State.SENT]
    endpoint.refresh_from_db()
    assert endpoint.failures == 0
    assert receiver.heard[1].is_signed_with(endpoint.text)  # type: ignore[attr-defined]
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
