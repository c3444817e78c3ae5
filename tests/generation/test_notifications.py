"""A mail when a clip has ended, for members who asked for it: once, and to an address that they proved."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User, Workspace
from accounts.roles import Role
from billing import ledger
from catalog.models import Model
from generation.models import Generation, NotificationRequest
from generation.settlement import notifications, settle
from gpu_worker.contract import Outcome
from loremotion.outbox import mail as outbox_mail
from loremotion.outbox.models import MailMessage, State
from tests.accounts import factories as people
from tests.generation import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(db: None) -> User:
    return people.person("alice@example.org")


@pytest.fixture
def studio(alice: User, toy: Model) -> Workspace:
    """A team that can pay for clips."""
    made = people.team(alice, "Studio")
    ledger.grant(account=made.id, reference=f"test:{made.id}", amount=10_000, kind=ledger.LotKind.PACK)
    return made


@pytest.fixture
def waiting(studio: Workspace) -> Generation:
    """A clip that is being made."""
    generation = factories.submitted(studio, "a red circle")
    Generation.objects.filter(id=generation.id).update(state="running", attempt=1)
    return generation


@pytest.fixture
def browser(alice: User, studio: Workspace) -> Client:
    return people.browser_of(alice, studio)


def end(generation: Generation, outcome: Outcome = Outcome.SUCCEEDED) -> None:
    if outcome == Outcome.SUCCEEDED:
        factories.deliver_clip(generation)
    settle.settle(factories.report(generation, outcome))


def test_the_reason_of_a_failed_clip_is_in_the_language_of_the_mail(
    browser: Client, waiting: Generation, alice: User
) -> None:
    User.objects.filter(id=alice.id).update(language="de")
    browser.post(f"/generations/{waiting.id}/mail/", {"to": "on"})
    end(waiting, Outcome.FAILED)
    post_office()
    body = str(mail.outbox[0].body)
    assert "Ein kleinerer oder kürzerer Clip passt vielleicht." in body
    assert "GB" not in body


def post_office() -> list[tuple[str, list[str]]]:
    """Send what is due; then all mail there is, by subject and address."""
    for row_id in MailMessage.objects.filter(state=State.WAITING).values_list("id", flat=True):
        outbox_mail.send(row_id)
    return [(str(message.subject), message.to) for message in mail.outbox]


def test_who_asks_on_the_clips_page_gets_one_mail(browser: Client, waiting: Generation) -> None:
    page = f"/generations/{waiting.id}/"
    assert "Email me when it's ready" in browser.get(page).content.decode()
    assert browser.post(f"{page}mail/", {"to": "on"}).status_code == 302
    assert browser.post(f"{page}mail/", {"to": "on"}).status_code == 302
    assert "We'll email alice@example.org" in browser.get(page).content.decode()
    end(waiting)
    end(waiting)
    for _ in range(2):
        assert post_office() == [("Your clip is ready", ["alice@example.org"])]
    assert page in str(mail.outbox[0].body)
    assert "a red circle" in str(mail.outbox[0].body)
    assert not NotificationRequest.objects.exists()


def test_a_failure_is_told_with_its_reason_and_a_cancel_is_not(
    alice: User, studio: Workspace, waiting: Generation
) -> None:
    cancelled = factories.submitted(studio)
    for generation in (waiting, cancelled):
        notifications.request(generation, user=alice)
    settle.cancel(cancelled)
    end(waiting, Outcome.FAILED)
    assert post_office() == [("We couldn't make your clip", ["alice@example.org"])]
    assert "A smaller or shorter clip may fit." in str(mail.outbox[0].body)


def test_who_takes_it_back_or_never_asked_gets_none(browser: Client, waiting: Generation) -> None:
    browser.post(f"/generations/{waiting.id}/mail/", {"to": "on"})
    browser.post(f"/generations/{waiting.id}/mail/", {"to": "off"})
    end(waiting)
    assert post_office() == []


def test_a_settlement_that_is_rolled_back_mails_nobody(alice: User, waiting: Generation) -> None:
    notifications.request(waiting, user=alice)
    with transaction.atomic():
        end(waiting)
        transaction.set_rollback(True)
    assert not MailMessage.objects.exists()
    assert NotificationRequest.objects.exists()


def test_a_visitor_has_no_address_and_is_told_so(toy: Model) -> None:
    visitor = factories.visitor(credits=100)
    generation = factories.submitted(visitor.workspace)
    browser = people.browser_of(visitor)
    assert "Email me" not in browser.get(f"/generations/{generation.id}/").content.decode()
    assert browser.post(f"/generations/{generation.id}/mail/").status_code == 403


def test_an_address_that_is_not_proved_gets_no_mail(browser: Client, alice: User, waiting: Generation) -> None:
    notifications.request(waiting, user=alice)
    EmailAddress.objects.update(verified=False)
    assert browser.post(f"/generations/{waiting.id}/mail/").status_code == 409
    end(waiting)
    assert post_office() == []


def test_who_has_left_or_whose_clip_is_erased_gets_no_mail(alice: User, studio: Workspace, waiting: Generation) -> None:
    bob = people.person("bob@example.org")
    place = studio.memberships.create(user=bob, role=Role.VIEWER)
    notifications.request(waiting, user=bob)
    notifications.request(waiting, user=alice)
    end(waiting)
    place.delete()
    assert post_office() == [("Your clip is ready", ["alice@example.org"])]
    MailMessage.objects.update(state=State.WAITING, due_at=timezone.now())
    Generation.objects.filter(id=waiting.id).delete()
    assert len(post_office()) == 1


def test_after_the_end_there_is_nothing_to_ask_for(browser: Client, waiting: Generation) -> None:
    end(waiting)
    assert browser.post(f"/generations/{waiting.id}/mail/").status_code == 409
    assert "Email me" not in browser.get(f"/generations/{waiting.id}/").content.decode()


def test_with_the_mail_server_away_it_goes_later_under_the_same_message_id(
    alice: User, waiting: Generation, settings: Settings
) -> None:
    notifications.request(waiting, user=alice)
    end(waiting)
    works = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    assert post_office() == []
    waits = MailMessage.objects.get()
    assert (waits.state, waits.attempts) == (State.WAITING, 1)
    assert "refused" in waits.last_error
    settings.EMAIL_BACKEND = works
    assert post_office() == [], "it is not due yet"
    with time_machine.travel(waits.due_at + timedelta(seconds=1), tick=False):
        assert len(post_office()) == 1
    assert f".{waits.pk}." in mail.outbox[0].extra_headers["Message-ID"]
