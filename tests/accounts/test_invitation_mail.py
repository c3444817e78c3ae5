"""Mail of invitations: written with the offer, sent while it stands, with the link that opens it."""

from __future__ import annotations

from datetime import timedelta
from smtplib import SMTPServerDisconnected

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import invitations as offers
from accounts.models import Invitation, Membership, User, Workspace
from loremotion.outbox.models import MailMessage, State
from tests.accounts.factories import link_mailed_to, post_mail, team

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer(alice: User) -> Invitation:
    studio = team(alice)
    place = Membership.objects.get(user=alice, workspace=studio)
    return offers.invite(workspace=studio, by=place, email="bob@example.org", role="member")


def test_the_mail_is_written_with_the_offer_or_neither_is(alice: User) -> None:
    studio = team(alice)
    place = Membership.objects.get(user=alice, workspace=studio)
    with transaction.atomic():
        offers.invite(workspace=studio, by=place, email="bob@example.org", role="member")
        assert MailMessage.objects.get().address == "bob@example.org"
        transaction.set_rollback(True)
    assert not Invitation.objects.exists()
    assert not MailMessage.objects.exists()


def test_an_offer_is_mailed_once(offer: Invitation) -> None:
    assert not mail.outbox  # the request that made it waits for no mail server
    assert link_mailed_to(offer.email)
    post_mail()
    assert [message.subject for message in mail.outbox] == ["Join Studio on LoreMotion"]


def test_the_link_in_the_mail_opens_the_invitation(offer: Invitation) -> None:
    assert "Studio" in Client().get(link_mailed_to(offer.email)).text


def test_a_mail_server_that_is_away_gets_it_later(offer: Invitation, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(message: EmailMessage) -> int:
        raise SMTPServerDisconnected("Connection unexpectedly closed")

    with monkeypatch.context() as patched:
        patched.setattr(EmailMessage, "send", away)
        post_mail()
    assert MailMessage.objects.get().state == State.WAITING
    MailMessage.objects.update(due_at=timezone.now())
    assert link_mailed_to(offer.email)


def test_what_was_taken_back_before_it_was_sent_is_not_sent(offer: Invitation) -> None:
    offers.withdraw(offer, actor="alice@example.org")
    post_mail()
    assert not mail.outbox
    assert MailMessage.objects.get().state == State.DEAD


def test_sent_again_before_the_first_was_mailed_only_the_new_link_goes_out(offer: Invitation, alice: User) -> None:
    Invitation.objects.update(sent_at=timezone.now() - timedelta(hours=1))
    offer.refresh_from_db()
    offers.resend(offer, by=alice)
    assert "Studio" in Client().get(link_mailed_to(offer.email)).text
    assert len(mail.outbox) == 1


def test_a_team_that_was_closed_meanwhile_invites_nobody(offer: Invitation) -> None:
    Workspace.objects.update(closed_at=timezone.now())
    post_mail()
    assert not mail.outbox


def test_an_offer_made_under_a_former_secret_key_is_told(offer: Invitation, settings: Settings) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the key that replaced it, long enough to be one"
    assert "Studio" in Client().get(link_mailed_to(offer.email)).text


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
