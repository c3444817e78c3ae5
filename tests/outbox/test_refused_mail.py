"""What a mail server says about an address decides whether mail is tried again; staff reads what it said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User, Workspace
from billing.shop import notices
from loremotion.outbox import mail as outbox_mail
from loremotion.outbox.models import MailMessage, State
from tests.accounts import factories as people
from tests.outbox.mail_server import MailServer
from tests.shop.test_notices import late

pytestmark = pytest.mark.django_db


@pytest.fixture
def message(alice: User) -> MailMessage:
    """One that can be sent."""
    place: Workspace = people.team(alice, "Studio")
    late(place)
    outbox_mail.write(
        [MailMessage(workspace=place, user=alice, content=notices.PAYMENT_FAILED, about=place.id)], occasion=uuid4().hex
    )
    return MailMessage.objects.get()


@pytest.fixture
def server(settings: Settings) -> Iterator[MailServer]:
    """Whoever takes this site's mail."""
    with MailServer() as running:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", running.port
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        yield running


def test_mail_that_is_taken_is_sent(server: MailServer, message: MailMessage) -> None:
    assert outbox_mail.send(message.pk)
    assert "Your payment for Creator failed" in server.taken[0]
    assert MailMessage.objects.get().state == State.SENT


def test_an_address_that_is_refused_for_good_is_not_tried_again_and_staff_reads_why(
    server: MailServer, message: MailMessage
) -> None:
    server.to_recipients = "550 5.1.1 No such mailbox here"
    assert not outbox_mail.send(message.pk)
    dead = MailMessage.objects.get()
    assert (dead.state, dead.attempts) == (State.DEAD, 1)
    assert "for good: 550 5.1.1 No such mailbox here" in dead.last_error
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=False):
        server.to_recipients = "250 OK"
        assert not outbox_mail.send(message.pk)
    assert server.taken == []
    browser = Client()
    browser.force_login(User.objects.create_superuser("admin@site.test", "a-password"))
    shown = browser.get("/admin/outbox/mailmessage/?state__exact=dead").content.decode()
    assert "No such mailbox here" in shown
    assert "alice@example.org" in shown


def test_an_address_that_is_refused_for_now_is_tried_again_and_not_without_end(
    server: MailServer, message: MailMessage
) -> None:
    server.to_recipients = "450 4.2.2 Mailbox full"
    began = timezone.now()
    with time_machine.travel(began, tick=False) as clock:
        while (waiting := MailMessage.objects.get()).state == State.WAITING:
            clock.move_to(waiting.due_at)
            assert not outbox_mail.send(message.pk)
            assert "for now: 450 4.2.2 Mailbox full" in MailMessage.objects.get().last_error
        tried_for = timezone.now() - began
    dead = MailMessage.objects.get()
    assert dead.state == State.DEAD
    assert 10 < dead.attempts < 40
    assert timedelta(days=1) < tried_for <= outbox_mail.TRIED_FOR
