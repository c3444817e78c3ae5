"""Letters of invitations: told when the offer is certain, while it stands, with the link that opens it."""

from __future__ import annotations

from datetime import timedelta
from smtplib import SMTPServerDisconnected

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.db import DataError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import invitations as offers
from accounts.models import Invitation, Membership, User, Workspace
from generation.outbox import invitations, letters
from generation.outbox.models import Letter, State
from tests.accounts.factories import link_mailed_to, team

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer(alice: User) -> Invitation:
    studio = team(alice)
    place = Membership.objects.get(user=alice, workspace=studio)
    return offers.invite(workspace=studio, by=place, email="bob@example.org", role="member")


def post() -> None:
    for letter in Letter.objects.filter(state=State.WAITING):
        letters.mail(letter.pk)


def test_whatever_becomes_of_the_process_that_invited_the_letter_is_written_once(offer: Invitation) -> None:
    assert not mail.outbox  # nothing hangs on the request that made it
    for _ in range(2):
        invitations.write_due()
    assert Letter.objects.count() == 1
    assert link_mailed_to(offer.email)
    assert [letter.subject for letter in mail.outbox] == ["Join Studio on LoreMotion"]


def test_the_link_in_the_letter_opens_the_invitation(offer: Invitation) -> None:
    assert "Studio" in Client().get(link_mailed_to(offer.email)).text


def test_a_mail_server_that_is_away_gets_it_later(offer: Invitation, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(message: EmailMessage) -> int:
        raise SMTPServerDisconnected("Connection unexpectedly closed")

    with monkeypatch.context() as patched:
        patched.setattr(EmailMessage, "send", away)
        invitations.write_due()
        post()
    assert Letter.objects.get().state == State.WAITING
    Letter.objects.update(due_at=timezone.now())
    assert link_mailed_to(offer.email)


def test_what_was_taken_back_before_it_was_sent_is_not_sent(offer: Invitation) -> None:
    invitations.write_due()
    offers.withdraw(offer, actor="alice@example.org")
    post()
    assert not mail.outbox
    assert Letter.objects.get().state == State.DEAD


def test_sent_again_before_the_first_was_mailed_only_the_new_link_goes_out(offer: Invitation, alice: User) -> None:
    invitations.write_due()
    Invitation.objects.update(sent_at=timezone.now() - timedelta(hours=1))
    offer.refresh_from_db()
    offers.resend(offer, by=alice)
    assert "Studio" in Client().get(link_mailed_to(offer.email)).text
    assert len(mail.outbox) == 1


def test_one_that_cannot_be_told_keeps_no_other_from_it(offer: Invitation, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Membership.objects.get(workspace=offer.workspace)
    offers.invite(workspace=offer.workspace, by=place, email="carol@example.org", role="viewer")
    write = letters.write

    def refuse_the_first(due: list[Letter], *, occasion: str) -> None:
        if due[0].address == offer.email:
            raise DataError("value too long")
        write(due, occasion=occasion)

    monkeypatch.setattr(letters, "write", refuse_the_first)
    invitations.write_due()
    assert [letter.address for letter in Letter.objects.all()] == ["carol@example.org"]
    assert list(Invitation.objects.filter(is_told=False)) == [offer]


def test_a_team_that_was_closed_meanwhile_invites_nobody(offer: Invitation) -> None:
    invitations.write_due()
    Workspace.objects.update(closed_at=timezone.now())
    post()
    assert not mail.outbox


def test_an_offer_made_under_another_secret_key_is_told_by_nobody(offer: Invitation) -> None:
    Invitation.objects.update(token_digest="0" * 64)
    offer.refresh_from_db()
    assert offers.link_of(offer) is None


def test_links_cannot_be_told_from_the_database_alone(offer: Invitation, settings: Settings) -> None:
    known = offers.link_of(offer)
    settings.SECRET_KEY = "another"
    assert offers.link_of(offer) is None
    assert known is not None
    assert known not in str(list(Invitation.objects.values()))
