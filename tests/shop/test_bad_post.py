"""Real deliveries over HTTP, with everything wrong that the post can do to them: the end is what Stripe says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from billing import ledger
from billing.shop import inbox, reconcile
from billing.shop.models import Payment, StripeEvent
from tests.fake_stripe.process import FakeStripeProcess
from tests.patience import wait_until
from tests.shop.shop_steps import ShopSteps, balance, pack_price

pytestmark = pytest.mark.django_db(transaction=True)

CHAOS: dict[str, dict[str, Any]] = {
    "twice": {"duplicate_share": 1.0},
    "late and in any order": {"is_shuffled": True, "delay_seconds": 0.1},
    "half lost": {"drop_share": 0.5},
    "thin": {"is_thin": True},
    "all of it": {"duplicate_share": 0.5, "drop_share": 0.3, "is_shuffled": True, "is_thin": True},
}


@pytest.fixture
def shop_steps(live_server: LiveServer, settings: Settings) -> Iterator[ShopSteps]:
    """A site that hears by itself from an imitation of Stripe."""
    with FakeStripeProcess(webhook_url=f"{live_server.url}/stripe/webhook/") as process:
        settings.STRIPE_SECRET_KEY = "sk_test_imitation"
        settings.STRIPE_WEBHOOK_SECRETS = [process.secret]
        settings.STRIPE_API_BASE = process.url
        yield ShopSteps(process)
    assert ledger.violations(limit=5) == []


def work_until(is_so: Callable[[], bool]) -> None:
    """The worker, as often as there is something."""

    def is_done() -> bool:
        for event_id in StripeEvent.objects.filter(state="new").values_list("event_id", flat=True):
            inbox.work_on(event_id)
        return is_so()

    wait_until(is_done, what=lambda: list(StripeEvent.objects.values_list("type", "state", "last_error")))


@pytest.mark.parametrize("chaos", CHAOS)
def test_a_pack_refunds_and_a_dispute_end_the_same_however_bad_the_post_is(shop_steps: ShopSteps, chaos: str) -> None:
    account = uuid4()
    shop_steps.stripe.control("chaos", seed=7, **CHAOS[chaos])
    session = shop_steps.pay(shop_steps.order(account, pack_price()))
    shop_steps.stripe.refund(session["payment_intent"], 100)
    shop_steps.stripe.refund(session["payment_intent"], 50)
    shop_steps.stripe.close_dispute(shop_steps.stripe.dispute(session["payment_intent"])["id"], "won")
    if not CHAOS[chaos].get("drop_share"):
        wanted = {event["id"] for event in shop_steps.stripe.events() if event["type"] in inbox.TYPES}
        wait_until(lambda: StripeEvent.objects.filter(event_id__in=wanted, heard_from="webhook").count() == len(wanted))
    reconcile.read_events()  # what was lost on the way is in the list
    work_until(lambda: balance(account) == (350, 0, 0))
    assert Payment.objects.get(workspace=account).refunded_minor == 150


def test_a_site_that_answers_with_an_error_is_told_again(shop_steps: ShopSteps, settings: Settings) -> None:
    account = uuid4()
    settings.STRIPE_WEBHOOK_SECRETS = []  # nobody is believed: 400
    shop_steps.pay(shop_steps.order(account, pack_price()))
    began = timezone.now()
    wait_until(lambda: shop_steps.stripe.control("deliveries") > 0)
    assert not StripeEvent.objects.exists()
    settings.STRIPE_WEBHOOK_SECRETS = [shop_steps.stripe.secret]
    work_until(lambda: balance(account) == (500, 0, 0))
    assert StripeEvent.objects.filter(received_at__gt=began, heard_from="webhook").exists()
