"""What must be done at least once: one worker at a time, later when it fails, and not for ever."""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import uuid4

import pytest
import redis
import time_machine
from django.core import mail
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.models import User
from billing.shop.models import StripeEvent
from generation.webhooks.models import Delivery, Endpoint
from loremotion import alerts, queues
from loremotion.outbox import housekeeping, sending
from loremotion.outbox.models import MailMessage, Outgoing, Retried, State
from tests.accounts import factories as people

pytestmark = pytest.mark.django_db
KINDS = (MailMessage, Delivery, StripeEvent)


@pytest.fixture
def message(alice: User) -> MailMessage:
    place = people.team(alice, "Studio")
    return MailMessage.objects.create(
        workspace=place, user=alice, content="x", about=uuid4(), expires_at=timezone.now() + timedelta(hours=1)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_names_a_job_that_its_queue_offers(kind: type[Retried]) -> None:
    assert kind.job in queues.table(kind.queue)
    assert timedelta(seconds=kind.job_seconds) < sending.LEASE


@given(failures=st.integers(1, 65_000), kind=st.sampled_from(KINDS))
def test_pauses_grow_to_a_bound_and_are_never_in_step(failures: int, kind: type[Retried]) -> None:
    def pause(failures: int) -> timedelta:
        return sending.pause_after(failures, first=kind.first_pause)

    assert kind.first_pause * 0.75 <= pause(failures) <= sending.LONGEST_PAUSE * 1.25
    assert pause(failures + 2) > pause(failures) or pause(failures) > sending.LONGEST_PAUSE * 0.7
    assert len({pause(failures) for _ in range(8)}) > 1


def test_a_claim_keeps_others_away_until_it_lapses(message: MailMessage) -> None:
    assert sending.claim(MailMessage, message.pk) is not None
    assert sending.claim(MailMessage, message.pk) is None
    with time_machine.travel(timezone.now() + sending.LEASE, tick=False):
        assert sending.claim(MailMessage, message.pk) is not None


def test_what_takes_its_worker_down_every_time_comes_to_an_end_and_says_so(message: MailMessage) -> None:
    began, claims = timezone.now(), 0
    with time_machine.travel(began, tick=False) as clock:
        while sending.claim(MailMessage, message.pk) is not None:  # and nobody ends it
            claims += 1
            clock.shift(sending.LEASE)
        assert timezone.now() - began == timedelta(hours=1)
    dead = MailMessage.objects.get()
    assert (dead.state, dead.last_error) == (State.DEAD, sending.DIED)
    assert claims == timedelta(hours=1) / sending.LEASE


@pytest.mark.parametrize("attempts", [0, 3])
@pytest.mark.parametrize("kind", [MailMessage, Delivery])
def test_what_waited_for_workers_beyond_its_time_is_not_tried(
    message: MailMessage, kind: type[Outgoing], attempts: int, caplog: pytest.LogCaptureFixture
) -> None:
    row = message if kind is MailMessage else delivery_of(message)
    kind._default_manager.filter(pk=row.pk).update(attempts=attempts)
    with time_machine.travel(row.expires_at, tick=False):
        assert sending.claim(kind, row.pk) is None
    row.refresh_from_db()
    assert (row.state, row.last_error) == (State.DEAD, sending.DIED if attempts else sending.LATE)
    assert criticals(caplog) == [f"{kind.__name__} {row.pk} is given up. The admin's page of it says why."]


def delivery_of(message: MailMessage) -> Delivery:
    endpoint = Endpoint.objects.create(workspace_id=message.tenant_id, url="https://a.example/", event_types=[])
    return Delivery.objects.create(
        endpoint=endpoint, event_id="e", event_type="t", video_id=uuid4(), expires_at=message.expires_at
    )


def criticals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL]


def test_a_letter_that_dies_is_told_to_the_operator_without_what_others_said_of_it(
    message: MailMessage, settings: Settings, valkey: redis.Redis
) -> None:
    """The mail server's answer often has the address. It stays in the database."""
    settings.ADMINS = [("", "operator@example.org")]
    with time_machine.travel(message.expires_at - timedelta(seconds=1), tick=False):
        claimed = sending.claim(MailMessage, message.pk)
        assert claimed is not None
        assert not sending.put_off(claimed, error="450 4.2.2 <carol@example.net> is over quota")
    alerts.wait()
    [told] = mail.outbox
    assert told.to == ["operator@example.org"]
    assert f"MailMessage {message.pk} is given up" in told.subject
    assert "carol" not in f"{told.subject} {told.body}"
    assert "carol" in MailMessage.objects.get().last_error


def test_a_customers_receiver_that_is_gone_wakes_no_operator(
    message: MailMessage, caplog: pytest.LogCaptureFixture
) -> None:
    delivery = delivery_of(message)
    with time_machine.travel(delivery.expires_at - timedelta(seconds=1), tick=False):
        claimed = sending.claim(Delivery, delivery.pk)
        assert claimed is not None
        assert not sending.put_off(claimed, error="nobody answers")
    assert criticals(caplog) == []


def test_the_beat_enqueues_what_is_due_of_everything_that_is_sent(message: MailMessage, valkey: redis.Redis) -> None:
    with time_machine.travel(timezone.now() + timedelta(seconds=5), tick=False):
        for _ in range(3):
            housekeeping.sweep()
    [job] = queues.queue("mail").jobs
    assert (job.func_name, job.args) == ("loremotion.outbox.jobs.send_mail", [message.pk])


def test_what_is_long_over_is_forgotten_and_what_waits_is_not(message: MailMessage) -> None:
    sent = MailMessage.objects.create(
        workspace=message.workspace, user=message.user, content="y", about=uuid4(), expires_at=message.expires_at
    )
    sending.end(sent, State.SENT)
    kinds: list[type[Outgoing]] = [MailMessage]
    assert [sending.forget_old(kind) for kind in kinds] == [0]
    with time_machine.travel(timezone.now() + sending.KEPT + timedelta(minutes=1), tick=False):
        assert [sending.forget_old(kind) for kind in kinds] == [1]
    assert MailMessage.objects.get() == message
