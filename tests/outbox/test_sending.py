"""What must be done at least once: one worker at a time, later when it fails, and not for ever."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
import redis
import time_machine
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from billing.shop.models import StripeEvent
from generation.webhooks.models import Delivery
from loremotion import queues
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


def test_what_waited_for_workers_beyond_its_time_is_tried_once(message: MailMessage) -> None:
    with time_machine.travel(message.expires_at + timedelta(days=1), tick=False):
        claimed = sending.claim(MailMessage, message.pk)
        assert claimed is not None
        assert not sending.put_off(claimed, error="no luck")
    assert MailMessage.objects.get().state == State.DEAD


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
