"""Pages of clips on their way in a real browser, where the test says when a clip ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings as django_settings
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from generation.models import Generation
from generation.scheduling import dispatch
from generation.settlement import settle
from tests.generation import factories

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

STREAMS = """
    window.streams = [];
    window.EventSource = class extends EventSource {
        constructor(address) { super(address); window.streams.push(this); }
    };
    Object.defineProperty(document, 'hidden', { get: () => window.isHidden ?? false });
    window.hide = (isHidden) => { window.isHidden = isHidden; document.dispatchEvent(new Event('visibilitychange')); };
"""
OPEN_STREAMS = "window.streams.filter((stream) => stream.readyState !== EventSource.CLOSED).length"


@pytest.fixture
def site(live_server: LiveServer, settings: Settings) -> Iterator[str]:
    settings.SITE_URL = live_server.url
    settings.STORAGES = django_settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    factories.model()
    yield str(live_server.url)
    for waiting in Generation.objects.open():  # whoever still watches it is told, and the server may end
        settle.cancel(waiting)


def asked_for(page: Page, site: str) -> Generation:
    page.goto(site)
    page.get_by_label("What should the clip show?").fill("a red circle")
    page.get_by_role("button", name="Generate").click()
    page.wait_for_url("**/generations/*/")
    return Generation.objects.get()


def finish(generation: Generation) -> None:
    dispatch.fill_window()
    factories.deliver_clip(generation)
    assert settle.settle(factories.report(generation))


def test_a_page_that_nobody_sees_holds_no_stream_and_goes_on_when_seen(site: str, desktop: BrowserContext) -> None:
    page = desktop.new_page()
    page.add_init_script(STREAMS)
    generation = asked_for(page, site)
    assert page.evaluate(OPEN_STREAMS) == 1
    page.evaluate("hide(true)")
    assert page.evaluate(OPEN_STREAMS) == 0
    finish(generation)
    page.evaluate("hide(false)")
    expect(page.locator("video")).to_be_visible()


def test_cards_of_clips_on_their_way_keep_up(site: str, desktop: BrowserContext) -> None:
    page = desktop.new_page()
    generation = asked_for(page, site)
    page.goto(f"{site}/history/")
    expect(page.locator("[data-state=succeeded]")).to_have_count(0)
    finish(generation)
    expect(page.locator("[data-state=succeeded] img")).to_have_count(1)
