"""Mail about signing in goes through the outbox: no mail server is waited for, and nobody hears who has an account."""

from __future__ import annotations

import json
from datetime import timedelta
from smtplib import SMTPServerDisconnected

import pytest
import time_machine
from django.core import mail
from django.core.mail import EmailMessage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts import erasure
from accounts.models import User
from loremotion import queue_worker, row_security
from loremotion.outbox.models import MailMessage, State
from tests.accounts.factories import PASSWORD, browser_of, code_mailed, person, post_mail, sign_in

pytestmark = pytest.mark.django_db

ASKED = [
    ("/account/signup/", {"email": "new@example.org", "password1": PASSWORD}),
    ("/account/login/code/", {"email": "alice@example.org"}),
    ("/account/password/reset/", {"email": "alice@example.org"}),
]
BY_ADDRESS = ["/account/login/code/", "/account/password/reset/"]


def away(message: EmailMessage) -> int:
    raise SMTPServerDisconnected("Connection unexpectedly closed")


@pytest.mark.parametrize(("address", "form"), ASKED)
def test_a_mail_server_that_is_away_breaks_no_page_and_gets_it_later(
    alice: User, client: Client, monkeypatch: pytest.MonkeyPatch, address: str, form: dict[str, str]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(EmailMessage, "send", away)
        assert client.post(address, form).status_code == 302
        post_mail()
    assert MailMessage.objects.get().state == State.WAITING
    MailMessage.objects.update(due_at=timezone.now())
    assert code_mailed()
    assert mail.outbox[-1].to == [form["email"]]


@pytest.mark.django_db(transaction=True)
def test_the_worker_of_the_outbox_carries_it(alice: User, client: Client) -> None:
    assert client.post("/account/login/code/", {"email": alice.email}).status_code == 302
    assert not mail.outbox
    queue_worker.work("mail", burst=True)
    assert [message.to for message in mail.outbox] == [[alice.email]]
    assert client.post("/account/login/code/confirm/", {"code": code_mailed()}).status_code == 302
    assert client.session["_auth_user_id"] == str(alice.id)


def test_the_database_holds_no_code_that_can_be_read_and_none_once_it_was_sent(alice: User, client: Client) -> None:
    client.post("/account/login/code/", {"email": alice.email})
    kept = json.dumps(list(MailMessage.objects.values()), default=str)
    code = code_mailed()
    assert code not in kept
    assert MailMessage.objects.values_list("state", "sealed").get() == (State.SENT, "")


def test_a_code_is_not_sent_once_it_opens_nothing(alice: User, client: Client) -> None:
    client.post("/account/login/code/", {"email": alice.email})
    message = MailMessage.objects.get()
    with time_machine.travel(message.created_at + timedelta(minutes=15, seconds=1), tick=False):
        post_mail()
    assert not mail.outbox
    assert MailMessage.objects.values_list("state", "sealed").get() == (State.DEAD, "")


def test_a_code_is_sent_until_then(alice: User, client: Client) -> None:
    client.post("/account/login/code/", {"email": alice.email})
    message = MailMessage.objects.get()
    with time_machine.travel(message.created_at + timedelta(minutes=14), tick=False):
        assert code_mailed()


def test_what_was_sealed_under_a_key_that_is_gone_is_not_sent(alice: User, client: Client, settings: Settings) -> None:
    client.post("/account/login/code/", {"email": alice.email})
    settings.SECRET_KEY = "another key, of which nothing was sealed"
    post_mail()
    assert not mail.outbox
    assert MailMessage.objects.values_list("state", "sealed").get() == (State.DEAD, "")


@pytest.mark.parametrize("address", BY_ADDRESS)
def test_asking_takes_the_same_queries_and_answers_the_same_whether_or_not_there_is_an_account(
    alice: User, address: str
) -> None:
    asked = {}
    for email in (alice.email, "alicf@example.org"):
        browser = Client()
        browser.get(address)
        with CaptureQueriesContext(connection) as queries:
            answer = browser.post(address, {"email": email})
        page = browser.get(answer["Location"]).text.replace(email, "")
        asked[email] = (answer.status_code, answer["Location"], len(queries), len(page))
    known, unknown = asked.values()
    assert known == unknown
    post_mail()
    assert [message.to for message in mail.outbox] == [[alice.email]]


def test_an_address_without_an_account_is_not_kept(client: Client) -> None:
    client.post("/account/login/code/", {"email": "nobody@example.org"})
    assert "nobody@example.org" not in json.dumps(list(MailMessage.objects.values()), default=str)


def test_letters_about_signing_in_are_erased_with_their_reader(alice: User, client: Client) -> None:
    sign_in(client)
    Client().post("/account/login/code/", {"email": alice.email})
    other = person("bob@example.org")
    Client().post("/account/login/code/", {"email": other.email})
    erasure.erase_person(alice)
    assert [message.recipient for message in MailMessage.objects.all()] == [other.email]


def test_no_request_reads_a_letter_about_signing_in(alice: User) -> None:
    Client().post("/account/login/code/", {"email": alice.email})
    with row_security.enforce_bounds(row_security.Bounds()):
        assert not MailMessage.objects.exists()
    assert MailMessage.objects.exists()


def test_staff_see_that_a_letter_was_sent_and_not_what_it_says(alice: User) -> None:
    staff = person("staff@example.org", is_staff=True)
    Client().post("/account/login/code/", {"email": alice.email})
    message = MailMessage.objects.get()
    page = browser_of(staff).get(f"/admin/outbox/mailmessage/{message.pk}/change/")
    assert alice.email in page.text
    assert message.sealed not in page.text
