"""An endpoint that fails costs little, is caught up once it is well, and is disabled in the end."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from accounts.models import AuditEntry, User, Workspace
from generation.webhooks import deliveries, endpoints
from generation.webhooks.models import Delivery, Endpoint
from loremotion.outbox import mail as outbox_mail
from loremotion.outbox.models import MailMessage, State
from tests.accounts import factories as people
from tests.webhooks.receiver import Receiver
from tests.webhooks.steps import finished, work

pytestmark = pytest.mark.django_db


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
