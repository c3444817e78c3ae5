"""On a phone: make an endpoint, copy its secret, send a test, read how it went."""

from __future__ import annotations

import pytest
from django.conf import settings as django_settings
from playwright.sync_api import BrowserContext, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import User, Workspace
from tests.accounts.factories import browser_of
from tests.webhooks.receiver import Receiver

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def site(live_server: LiveServer, settings: Settings) -> str:
    settings.SITE_URL = live_server.url
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    return str(live_server.url)


def test_an_endpoint_is_made_tried_and_read_on_a_phone(
    site: str, phone: BrowserContext, alice: User, studio: Workspace, receiver: Receiver
) -> None:
    session = browser_of(alice, studio).cookies[django_settings.SESSION_COOKIE_NAME].value
    phone.add_cookies([{"name": django_settings.SESSION_COOKIE_NAME, "value": session, "url": site}])
    page = phone.new_page()
    page.goto(f"{site}/workspace/")
    page.get_by_role("link", name="Webhooks").click()
    page.get_by_label("Name").fill("Ours")
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_label("video.blocked").uncheck()
    page.get_by_role("button", name="Add endpoint").click()
    secret = page.locator("#new-secret").inner_text()
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("The test arrived. The endpoint answered 200.")).to_be_visible()
    assert receiver.heard[0].is_signed_with(secret)
    expect(page.get_by_text("heard you")).to_be_attached()
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, "the page is wider than the phone"
