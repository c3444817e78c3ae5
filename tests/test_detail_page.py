"""The pages behind "Needs you" of what could not be sent: what went wrong, whose it is, and a button."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from django.utils.module_loading import import_string

from accounts import workspaces
from generation.models import Generation
from generation.moderation import reviews
from generation.settlement.notifications import CLIP_ENDED
from generation.webhooks.models import Delivery, Endpoint
from loremotion.outbox.models import MailMessage
from tests.accounts.factories import browser_of, person
from tests.generation import factories

pytestmark = pytest.mark.django_db
GIVEN_UP: dict[str, Any] = {"state": "dead", "last_error": "Their server is away."}


@pytest.fixture
def staff() -> Client:
    return browser_of(person("staff@example.com", is_staff=True))


@pytest.fixture
def clip() -> Generation:
    factories.model()
    return factories.submitted(workspaces.personal_of(person("ada@example.org")))


def facts_of(page: Any) -> dict[str, str]:
    return {fact.label: str(fact.said) for fact in page.context["facts"]}


def test_mail_says_to_whom_what_it_says_and_why_it_was_given_up(staff: Client, clip: Generation) -> None:
    user = clip.workspace.memberships.get().user
    message = MailMessage.objects.create(
        user=user, workspace=clip.workspace, content=CLIP_ENDED, about=clip.id, expires_at=timezone.now(), **GIVEN_UP
    )
    address = f"/admin/outbox/mailmessage/{message.pk}/change/"
    page = staff.get(address)
    assert page.context["title"] == "Mail to ada@example.org: Your clip is ready or has failed"
    assert '<p class="waits">Their server is away.</p>' in page.text
    facts = facts_of(page)
    assert f'href="/admin/generation/generation/{clip.id}/change/"' in facts["About"]
    assert f'href="/admin/customers/{clip.workspace_id}/">ada@example.org</a>' in facts["Customer"]
    assert facts["Subject"] == "We couldn't make your clip"  # it is not made yet
    answer = staff.post(address, {"action": "retry_selected", "_selected_action": str(message.pk)}, follow=True)
    assert answer.redirect_chain == [(address, 302)]
    assert "it is sent again." in answer.text
    message.refresh_from_db()
    assert message.state == "waiting"
    assert LogEntry.objects.get().object_repr == "Your clip is ready or has failed", (
        "nobody's address: the log outlives the account"
    )


def test_sealed_words_of_a_mail_are_in_no_title(staff: Client) -> None:
    message = MailMessage.objects.create(
        address="b@example.org",
        content="accounts.sign_in_mail.sealed_content",
        about="0190b3c8-7a1e-7000-8000-000000000001",
        sealed="something",
        expires_at=timezone.now(),
    )
    page = staff.get(f"/admin/outbox/mailmessage/{message.pk}/change/")
    assert page.context["title"] == "Mail to somebody without an account: Signing in and addresses"
    assert "b@example.org" not in page.text


def test_a_webhook_event_says_what_their_server_answered_and_is_sent_again(staff: Client, clip: Generation) -> None:
    endpoint = Endpoint.objects.create(
        workspace=clip.workspace, name="Prod", url="https://ada.example.org/hook", event_types=["video.completed"]
    )
    delivery = Delivery.objects.create(
        endpoint=endpoint,
        event_id="evt_1",
        event_type="video.completed",
        video_id=clip.id,
        last_status=503,
        last_answer="<b>Busy</b>",
        expires_at=timezone.now(),
        **GIVEN_UP,
    )
    address = f"/admin/webhooks/delivery/{delivery.pk}/change/"
    page = staff.get(address)
    assert page.context["title"] == "Webhook event video.completed to Prod"
    facts = facts_of(page)
    assert (facts["Answered"], facts["Address"]) == ("HTTP 503", "https://ada.example.org/hook")
    assert "<dd>&lt;b&gt;Busy&lt;/b&gt;</dd>" in page.text
    assert ">ada@example.org</a>" in facts["Customer"]
    assert f'href="/admin/generation/generation/{clip.id}/change/"' in facts["Clip"]
    staff.post(address, {"action": "retry_selected", "_selected_action": str(delivery.pk)})
    delivery.refresh_from_db()
    assert delivery.state == "waiting"
    assert LogEntry.objects.get().object_repr == "video.completed to Prod"


def test_every_mail_that_is_written_has_a_name_and_no_two_have_the_same() -> None:
    written = {each for where in settings.MAIL_CONTENTS for each in import_string(where) if "." in each}
    assert written == set(settings.MAIL_IS_CALLED)
    assert len(set(settings.MAIL_IS_CALLED.values())) == len(written)


def test_what_failed_is_called_so_in_its_list_and_on_its_page(staff: Client, clip: Generation) -> None:
    message = MailMessage.objects.create(
        address="b@example.org", content=CLIP_ENDED, about=clip.id, expires_at=timezone.now(), **GIVEN_UP
    )
    rows = staff.get("/admin/outbox/mailmessage/").text
    assert '<span class="state bad">Failed</span>' in rows
    assert "Your clip is ready or has failed" in rows
    page = staff.get(f"/admin/outbox/mailmessage/{message.pk}/change/")
    assert page.context["standing"].words == "Failed"


def test_a_button_asks_for_the_permission_of_its_action(clip: Generation) -> None:
    message = MailMessage.objects.create(
        address="b@example.org", content=CLIP_ENDED, about=clip.id, expires_at=timezone.now(), **GIVEN_UP
    )
    user = person("looks@example.com")
    type(user).objects.filter(id=user.id).update(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_mailmessage"))
    browser = browser_of(type(user).objects.get(id=user.id))
    address = f"/admin/outbox/mailmessage/{message.pk}/change/"
    assert "Send again" not in browser.get(address).text
    sent = {"action": "retry_selected", "_selected_action": str(message.pk)}
    assert browser.post(address, sent).status_code == 403
    message.refresh_from_db()
    assert message.state == "dead"


def test_an_endpoint_says_since_when_it_fails_and_leads_to_its_events(staff: Client, clip: Generation) -> None:
    endpoint = Endpoint.objects.create(
        workspace=clip.workspace,
        name="Prod",
        url="https://ada.example.org/hook",
        event_types=["video.completed"],
        failing_since=datetime(2026, 11, 4, 10, tzinfo=UTC),
        failures=7,
    )
    page = staff.get(f"/admin/webhooks/endpoint/{endpoint.pk}/change/")
    assert "Failing since 4 Nov 2026, 10:00 UTC" in page.text
    facts = facts_of(page)
    assert (facts["Failures in a row"], facts["Told of"]) == ("7", "video.completed")
    assert "Left alone until" not in facts, "it is over by now"
    assert f'href="/admin/webhooks/delivery/?q={endpoint.pk}"' in facts["What was sent"]


def test_rows_without_a_name_are_titled_in_words_and_so_is_their_history(staff: Client, clip: Generation) -> None:
    review = reviews.ask(clip.workspace, user=clip.workspace.memberships.get().user, prompt="hardcore porn")
    pages = {
        f"/admin/moderation/review/{review.pk}/": "Prompt refused as sexual, waiting",
        f"/admin/billing/hold/{clip.id}/": f"{clip.credits_quoted} credits for a clip",
        f"/admin/billing/account/{clip.workspace_id}/": "Account of ada@example.org",
        f"/admin/accounts/workspace/{clip.workspace_id}/": "ada@example.org",
    }
    for address, title in pages.items():
        page = staff.get(f"{address}change/")
        assert page.context["title"] == title
        assert not page.context["subtitle"]
        assert f"&rsaquo; {title}</div>" in page.text
        assert staff.get(f"{address}history/").context["title"] == f"History: {title}"


def test_a_clip_that_has_ended_leads_to_giving_credits_from_its_page_as_from_its_row(
    staff: Client, clip: Generation
) -> None:
    address = f"/admin/generation/generation/{clip.id}/change/"
    assert "Give credits" not in staff.get(address).text
    Generation.objects.filter(id=clip.id).update(state="failed", finished_at=timezone.now(), error_code="worker_lost")
    assert f'href="/admin/customers/{clip.workspace_id}/#credits">Give credits</a>' in staff.get(address).text


def test_a_row_that_is_gone_is_a_page_that_is_not_there(staff: Client) -> None:
    for page in ("change", "history"):
        answer = staff.get(f"/admin/outbox/mailmessage/999999/{page}/")
        assert answer.status_code == 404
        assert "what it was about is gone" in answer.text
        assert 'href="/admin/outbox/mailmessage/">Back to ' in answer.text
