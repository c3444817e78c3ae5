"""A person buys in a real browser, at a pay page that is another server's; the money goes back and forth, and the
credits with it, through real webhooks, the real queue and the worker of `stripe`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest
import redis
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from billing import ledger
from billing.shop import inbox
from billing.shop.models import Order, StripeEvent
from generation.models import Generation
from generation.settlement import settle
from loremotion import queue_worker
from tests.fake_stripe.process import FakeStripeProcess
from tests.generation import factories as clips
from tests.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def stripe(live_server: LiveServer, settings: Settings, valkey: redis.Redis) -> Iterator[FakeStripeProcess]:
    """An imitation of Stripe that sends its events to the running site, and a site that sells through it."""
    settings.SITE_URL = live_server.url
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    with FakeStripeProcess(webhook_url=f"{live_server.url}/stripe/webhook/") as process:
        settings.STRIPE_SECRET_KEY = "sk_test_imitation"
        settings.STRIPE_WEBHOOK_SECRETS = [process.secret]
        settings.STRIPE_API_BASE = process.url
        directives = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
        allowed = {**directives, "form-action": [*directives["form-action"], process.url]}
        settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": allowed}
        yield process
    assert ledger.violations(limit=5) == []


def let_the_worker_work(is_done: Callable[[], bool]) -> None:
    """Run the worker of ``stripe`` on what the webhooks bring, until ``is_done``."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (is_done() and not StripeEvent.objects.filter(state="new").exists()):
        assert time.monotonic() < deadline, list(StripeEvent.objects.values_list("type", "state", "last_error"))
        queue_worker.work(inbox.QUEUE, burst=True)


def available(page: Page, site: str) -> str:
    page.goto(f"{site}/billing/")
    return page.locator(".balance strong").inner_text()


def heard(kind: str) -> Callable[[], bool]:
    return lambda: StripeEvent.objects.filter(type=kind, state="done").exists()


def test_buy_a_pack_make_a_clip_be_refunded_and_dispute(
    live_server: LiveServer, stripe: FakeStripeProcess, desktop: BrowserContext
) -> None:
    site = live_server.url
    clips.model()
    page = desktop.new_page()

    page.goto(f"{site}/pricing/")
    page.get_by_role("button", name="Buy for $5.00").click()
    expect(page.get_by_role("heading", name="Pay 5.00 USD")).to_be_visible()
    page.get_by_label("Card number").fill("4000 0000 0000 0002")
    page.get_by_role("button", name="Pay", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text("Your card was declined.")
    page.get_by_label("Card number").fill("4242 4242 4242 4242")
    page.get_by_role("button", name="Pay", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("Thank you"))).to_be_visible()
    let_the_worker_work(heard("checkout.session.completed"))  # comes after the page has granted, and changes nothing
    assert available(page, site) == "560"

    page.goto(f"{site}/")
    page.get_by_label("What should the clip show?").fill("a red circle")
    page.get_by_role("button", name="Generate").click()
    page.wait_for_url(re.compile("/generations/"))
    generation = Generation.objects.get()
    clips.deliver_clip(generation)
    settle.start(generation_id=generation.id, attempt=generation.attempt, worker="gpu-test")
    settle.settle(clips.report(generation))
    expect(page.locator("video")).to_be_visible(
        timeout=1000 * PATIENCE_SECONDS
    )  # the page has turned to the finished clip by itself
    price = generation.quote["credits"]
    assert 0 < price < 60
    assert available(page, site) == str(560 - price)
    expect(page.get_by_role("link", name="a red circle", exact=True)).to_have_attribute(
        "href", f"/generations/{generation.id}/"
    )

    page.goto(stripe.url)
    page.locator("input[name=amount]").fill("200")
    page.get_by_role("button", name="Refund").click()
    let_the_worker_work(heard("charge.refunded"))
    assert available(page, site) == str(360 - price)
    expect(page.get_by_text("$2.00 refunded")).to_be_visible()

    page.goto(stripe.url)
    page.get_by_role("button", name="Dispute").click()
    let_the_worker_work(heard("charge.dispute.created"))
    assert available(page, site) == str(60 - price)  # what is left is free credits

    page.goto(stripe.url)
    page.get_by_role("button", name="Dispute won").click()
    let_the_worker_work(heard("charge.dispute.closed"))
    assert available(page, site) == str(360 - price)
    assert Order.objects.get().state == Order.State.PAID


def test_the_pages_fit_a_phone_and_every_field_has_a_name(
    live_server: LiveServer, stripe: FakeStripeProcess, phone: BrowserContext
) -> None:
    clips.model()
    page = phone.new_page()
    page.goto(f"{live_server.url}/pricing/")
    page.get_by_role("button", name="Buy for $5.00").click()
    page.get_by_label("Card number").fill("4242 4242 4242 4242")
    page.get_by_role("button", name="Pay", exact=True).click()
    page.goto(f"{live_server.url}/")
    page.get_by_label("What should the clip show?").fill("a red circle")
    page.get_by_role("button", name="Generate").click()
    page.wait_for_url(re.compile("/generations/"))  # its credits are set aside, and the page's head says so
    for address in ("/pricing/", "/billing/"):
        page.goto(f"{live_server.url}{address}")
        wider = "[...document.querySelectorAll(':root, .scroll')].filter(e => e.scrollWidth > e.clientWidth).length"
        assert page.evaluate(wider) == 0, address
    page.goto(f"{live_server.url}/pricing/")
    page.get_by_role("button", name="Buy for $20.00").click()
    page.get_by_role("link", name="Back without paying").click()
    expect(page.get_by_role("heading", name="Not paid yet")).to_be_visible()
    page.goto(f"{live_server.url}/billing/")
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input:not([type=hidden]),select')].filter(e=>!e.labels.length).length"
    )
    assert unnamed == 0
