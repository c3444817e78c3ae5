"""What a workspace lets itself spend in a day, and on one model: never passed, and told of by mail and webhook."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from django.core import mail
from django.db import connection, transaction
from django.test import Client

from accounts.models import User, Workspace
from accounts.roles import Role
from billing import ledger
from billing.shop import budgets
from billing.shop.models import Budget
from catalog.models import Model
from catalog.offers import Offer, make_offer
from catalog.requests import Ask
from generation.settlement import settle
from generation.submission.submit import submit
from generation.webhooks import endpoints, video_events
from generation.webhooks.models import Delivery
from loremotion.outbox.models import MailMessage
from loremotion.refusals import Forbidden, InsufficientCredits
from tests.accounts import factories as people
from tests.generation import factories
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(toy: Model) -> User:
    return people.person("owner@example.org")


@pytest.fixture
def studio(owner: User) -> Workspace:
    made = people.team(owner, "Studio")
    ledger.grant(account=made.id, reference=f"test:{made.id}", amount=100_000, kind=ledger.LotKind.PACK)
    return made


@pytest.fixture
def offer(toy: Model) -> Offer:
    return make_offer(Ask(prompt="a fox", seconds=1))


@pytest.fixture
def price(offer: Offer) -> int:
    return offer.quote.credits


def test_a_day_of_the_workspace_is_never_passed(studio: Workspace, offer: Offer, price: int) -> None:
    Budget.objects.create(workspace=studio.id, daily_cap_credits=2 * price)
    first = submit(workspace=studio, offer=offer)
    submit(workspace=studio, offer=offer)
    with pytest.raises(InsufficientCredits, match="daily limit"):
        submit(workspace=studio, offer=offer)
    settle.cancel(first)
    submit(workspace=studio, offer=offer)


def test_a_limit_on_one_model_leaves_the_others_alone(studio: Workspace, toy: Model, offer: Offer, price: int) -> None:
    other = factories.model(slug="other")
    budgets.set_caps_by_item(studio.id, {str(toy.id): {"month": price}})
    submit(workspace=studio, offer=offer)
    with pytest.raises(Forbidden, match=rf"on {toy.name}, with 0 left this month"):
        submit(workspace=studio, offer=offer)
    submit(workspace=studio, offer=make_offer(Ask(prompt="a fox", seconds=1, model=other.slug)))


@pytest.mark.django_db(transaction=True)
def test_two_at_once_do_not_both_take_what_is_left_for_one(
    studio: Workspace, toy: Model, offer: Offer, price: int
) -> None:
    budgets.set_caps_by_item(studio.id, {str(toy.id): {"day": price}})
    begun, ends = threading.Barrier(2), list[str]()

    def ask() -> None:
        begun.wait(PATIENCE_SECONDS)
        try:
            submit(workspace=studio, offer=offer)
            ends.append("made")
        except Forbidden:
            ends.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert sorted(ends) == ["made", "refused"]


def told(studio: Workspace) -> list[dict[str, Any]]:
    """What endpoints were told, in order."""
    found = []
    for row in Delivery.objects.order_by("id"):
        body = video_events.body(
            event_id=row.event_id, event_type=row.event_type, created_at=row.created_at, data=row.data
        )
        found.append(json.loads(body))
    return [event["data"] | {"type": event["type"]} for event in found]


@pytest.fixture
def endpoint(studio: Workspace) -> None:
    with transaction.atomic():
        endpoints.create(
            workspace=studio, actor="o", name="n", url="https://93.184.216.34/", event_types=["spending.alert"]
        )


def test_each_share_is_told_once_by_mail_and_webhook(
    studio: Workspace, endpoint: None, toy: Model, offer: Offer, price: int
) -> None:
    Budget.objects.create(workspace=studio.id, daily_cap_credits=2 * price)
    budgets.set_caps_by_item(studio.id, {str(toy.id): {"month": 2 * price}})
    first = submit(workspace=studio, offer=offer)
    settle.cancel(first)
    submit(workspace=studio, offer=offer)  # reaches the same half again
    submit(workspace=studio, offer=offer)
    by = [(one["of"], one["period"], one["percent"], one["spent"]) for one in told(studio)]
    assert sorted(by) == [
        ("model", "month", 50, price),
        ("model", "month", 100, 2 * price),
        ("workspace", "day", 50, price),
        ("workspace", "day", 100, 2 * price),
    ]
    assert {one["type"] for one in told(studio)} == {"spending.alert"}
    assert MailMessage.objects.filter(workspace_id=studio.id).count() == 4
    assert mail.outbox == []  # it is sent by the process that sends mail


def test_what_refuses_the_clip_undoes_the_alert(studio: Workspace, endpoint: None, offer: Offer, price: int) -> None:
    Budget.objects.create(workspace=studio.id, daily_cap_credits=price)
    with transaction.atomic():
        submit(workspace=studio, offer=offer)
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()


def test_who_does_not_listen_to_limits_is_told_nothing(studio: Workspace, offer: Offer, price: int) -> None:
    endpoints.create(workspace=studio, actor="o", name="n", url="https://93.184.216.34/", event_types=["video.failed"])
    Budget.objects.create(workspace=studio.id, daily_cap_credits=price)
    submit(workspace=studio, offer=offer)
    assert not Delivery.objects.exists()


def test_whoever_pays_sets_limits_on_models_and_others_see_none(studio: Workspace, owner: User, toy: Model) -> None:
    member = people.person("member@example.org")
    studio.memberships.create(user=member, role=Role.MEMBER)
    browser, other = Client(), Client()
    browser.force_login(owner)
    other.force_login(member)
    for client in (browser, other):
        client.post(f"/workspaces/{studio.id}/switch/")
    field = f"day-{toy.id}"
    assert field in browser.get("/billing/usage/").content.decode()
    assert field not in other.get("/billing/usage/").content.decode()
    assert browser.post("/billing/usage/model-limits/", {field: "7"}).status_code == 302
    assert Budget.objects.get(workspace=studio.id).caps_by_item == {str(toy.id): {"day": 7}}
    assert 'value="7"' in browser.get("/billing/usage/").content.decode()
    assert other.post("/billing/usage/model-limits/", {field: "9999"}).status_code == 403
    assert browser.post("/billing/usage/model-limits/", {field: "-1"}).status_code == 302
    assert Budget.objects.get(workspace=studio.id).caps_by_item == {str(toy.id): {"day": 7}}
    browser.post("/billing/usage/model-limits/", {field: ""})
    assert Budget.objects.get(workspace=studio.id).caps_by_item is None
