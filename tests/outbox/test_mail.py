"""A mail says what the function that it names says, and names none but those that the site offers."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.core import mail
from django.utils import timezone
from django.utils.module_loading import import_string
from pytest_django import Settings

from accounts import sign_in_mail
from accounts.models import User, Workspace
from loremotion.outbox import mail as outbox_mail
from loremotion.outbox.mail import Content
from loremotion.outbox.models import MailMessage, State
from loremotion.refusals import Conflict
from tests.accounts import factories as people
from tests.queues import records

pytestmark = pytest.mark.django_db

OF_THE_LAST_RELEASE = {"invitation", "payment_failed", "low_balance", "clip_ended", "endpoint_disabled"}


@pytest.fixture
def place(alice: User) -> Workspace:
    return people.team(alice, "Studio")


@pytest.mark.parametrize("where", settings.MAIL_CONTENTS)
def test_every_content_is_a_function_that_stands_where_its_name_says(where: str) -> None:
    contents = import_string(where)
    for name in set(contents) - OF_THE_LAST_RELEASE:
        assert import_string(name) is contents[name]
        assert len(name) <= MailMessage._meta.get_field("content").max_length  # type: ignore[operator]


def test_contents_of_the_last_release_are_known() -> None:
    known = {name for where in settings.MAIL_CONTENTS for name in import_string(where)}
    assert known >= OF_THE_LAST_RELEASE


@pytest.mark.parametrize(
    "name", [f"{records.MODULE}.called", "os.system", "builtins.eval", "accounts.invitations.link_of", "", "…"]
)
def test_a_name_that_no_table_offers_is_not_imported_and_staff_reads_why(
    name: str, alice: User, place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    proof = tmp_path / "proof"
    records.lay_module(tmp_path, proof)
    outbox_mail.write([MailMessage(workspace=place, user=alice, content=name, about=place.id)], occasion="x")
    assert not outbox_mail.send(MailMessage.objects.get().pk)
    dead = MailMessage.objects.get()
    assert dead.state == State.DEAD
    assert "settings.MAIL_CONTENTS" in dead.last_error
    assert not proof.exists()
    assert not mail.outbox


def test_written_twice_on_one_occasion_it_is_one_mail(alice: User, place: Workspace) -> None:
    for _ in range(2):
        outbox_mail.write([MailMessage(workspace=place, user=alice, content="x", about=place.id)], occasion="x")
    assert MailMessage.objects.count() == 1


def words(message: MailMessage) -> Content:
    return Content("mail/nothing.txt", {})


MAIL = {f"{__name__}.words": words}


def test_what_was_given_up_is_sent_after_all_unless_it_held_a_code(
    alice: User, place: Workspace, settings: Settings
) -> None:
    settings.MAIL_CONTENTS = [*settings.MAIL_CONTENTS, f"{__name__}.MAIL"]
    mails = [
        MailMessage(workspace=place, user=alice, content=f"{__name__}.words", about=place.id),
        MailMessage(address="a@example.org", content=f"{__name__}.words", about=place.id),
        MailMessage(address="b@example.org", content=sign_in_mail.SEALED, about=place.id),
    ]
    outbox_mail.write(mails, occasion="x")
    MailMessage.objects.update(state=State.DEAD, ended_at=timezone.now(), attempts=9)
    of_place, of_nobody, code = MailMessage.objects.order_by("pk")
    for message in (of_place, of_nobody):
        outbox_mail.retry(message)
        message.refresh_from_db()
        assert (message.state, message.attempts) == (State.WAITING, 0)
    with pytest.raises(Conflict):
        outbox_mail.retry(code)
