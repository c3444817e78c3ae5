"""The pages behind "Needs you" of what could not be sent: what went wrong, whose it is, and a button."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts import workspaces
from generation.models import Generation
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
    assert page.context["title"] == "Mail to ada@example.org: We couldn't make your clip"  # it is not made yet
    assert '<p class="waits">Their server is away.</p>' in page.text
    facts = facts_of(page)
    assert f'href="/admin/generation/generation/{clip.id}/change/"' in facts["About"]
    assert f'href="/admin/customers/{clip.workspace_id}/"' in facts["Customer"]
    answer = staff.post(address, {"action": "retry_selected", "_selected_action": str(message.pk)}, follow=True)
    assert answer.redirect_chain == [(address, 302)]
    assert "it is sent again." in answer.text
    message.refresh_from_db()
    assert message.state == "waiting"


def test_sealed_words_of_a_mail_are_in_no_title(staff: Client) -> None:
    message = MailMessage.objects.create(
        address="b@example.org",
        content="accounts.sign_in_mail.sealed_content",
        about="0190b3c8-7a1e-7000-8000-000000000001",
        sealed="something",
        expires_at=timezone.now(),
    )
    page = staff.get(f"/admin/outbox/mailmessage/{message.pk}/change/")
    assert page.context["title"] == "Mail to somebody without an account: Sealed"
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
    assert f'href="/admin/webhooks/delivery/?q={endpoint.pk}"' in facts["What was sent"]
