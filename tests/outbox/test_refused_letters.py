"""What a mail server says about an address decides whether a letter is tried again; staff reads what it said."""

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
from generation.outbox import letters
from generation.outbox.models import Letter, State
from tests.accounts import factories as people
from tests.outbox.mail_server import MailServer
from tests.outbox.test_money import late

pytestmark = pytest.mark.django_db


@pytest.fixture
def letter(alice: User) -> Letter:
    """One that can be sent."""
    place: Workspace = people.team(alice, "Studio")
    late(place)
    letters.write([Letter(workspace=place, user=alice, kind="payment_failed", about=place.id)], occasion=uuid4().hex)
    return Letter.objects.get()


@pytest.fixture
def server(settings: Settings) -> Iterator[MailServer]:
    """Whoever takes this site's mail."""
    with MailServer() as running:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", running.port
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        yield running


def test_a_letter_that_is_taken_is_sent(server: MailServer, letter: Letter) -> None:
    assert letters.mail(letter.pk)
    assert "The payment for Creator failed" in server.taken[0]
    assert Letter.objects.get().state == State.SENT


def test_an_address_that_is_refused_for_good_is_not_tried_again_and_staff_reads_why(
    server: MailServer, letter: Letter
) -> None:
    server.to_recipients = "550 5.1.1 No such mailbox here"
    assert not letters.mail(letter.pk)
    dead = Letter.objects.get()
    assert (dead.state, dead.attempts) == (State.DEAD, 1)
    assert "for good: 550 5.1.1 No such mailbox here" in dead.last_error
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=False):
        server.to_recipients = "250 OK"
        assert not letters.mail(letter.pk)
    assert server.taken == []
    browser = Client()
    browser.force_login(User.objects.create_superuser("admin@site.test", "a-password"))
    shown = browser.get("/admin/outbox/letter/?state__exact=dead").content.decode()
    assert "No such mailbox here" in shown
    assert "alice@example.org" in shown


def test_an_address_that_is_refused_for_now_is_tried_again_and_not_without_end(
    server: MailServer, letter: Letter
) -> None:
    server.to_recipients = "450 4.2.2 Mailbox full"
    began = timezone.now()
    with time_machine.travel(began, tick=False) as clock:
        while (waiting := Letter.objects.get()).state == State.WAITING:
            clock.move_to(waiting.due_at)
            assert not letters.mail(letter.pk)
            assert "for now: 450 4.2.2 Mailbox full" in Letter.objects.get().last_error
        tried_for = timezone.now() - began
    dead = Letter.objects.get()
    assert dead.state == State.DEAD
    assert 10 < dead.attempts < 40
    assert timedelta(days=1) < tried_for <= letters.TRIED_FOR
