"""Clips are picked for a board in a real browser: by a click on the clip, by the keys, and without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import Visitor
from generation.boards import keeping
from generation.boards.models import Board
from generation.models import Generation
from generation.settlement import settle
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def site(live_server: LiveServer, settings: Settings) -> Iterator[str]:
    settings.SITE_URL = live_server.url
    settings.STORAGES = django_settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    yield str(live_server.url)
    for waiting in Generation.objects.open():  # whoever still watches it is told, and the server may end
        settle.cancel(waiting)


def picking(context: BrowserContext, site: str, client_of: ClientOf) -> Page:
    """The page on which clips are picked, with three to pick from."""
    factories.model()
    alice: Visitor = factories.visitor(credits=1_000)
    for prompt in ("a red fox", "a blue boat", "a hare"):
        settle.cancel(factories.submitted(alice.workspace, prompt=prompt))
    board = keeping.begin(alice.workspace, title="Winter")
    host = str(urlsplit(site).hostname)
    for name, cookie in client_of(alice).cookies.items():
        context.add_cookies([{"name": name, "value": cookie.value, "domain": host, "path": "/"}])
    page = context.new_page()
    page.goto(f"{site}/history/?board={board.id}")
    page.get_by_role("link", name="Add clips").click()
    return page


def kept() -> set[str]:
    return set(Board.objects.get().places.values_list("generation__prompt", flat=True))


def test_a_tap_on_a_clip_picks_it(site: str, phone: BrowserContext, client_of: ClientOf) -> None:
    page = picking(phone, site, client_of)
    page.get_by_text("a red fox", exact=True).click()
    page.get_by_text("a hare", exact=True).click()
    expect(page.get_by_text("2 selected")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways on a phone"
    page.get_by_role("button", name="Add to the board").click()
    expect(page.get_by_role("heading", name="Winter")).to_be_visible()
    assert kept() == {"a red fox", "a hare"}


def test_it_works_by_keyboard_alone(site: str, desktop: BrowserContext, client_of: ClientOf) -> None:
    page = picking(desktop, site, client_of)
    page.get_by_label("Select a blue boat").focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.get_by_role("button", name="Add to the board").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Winter")).to_be_visible()
    assert kept() == {"a blue boat"}


def test_it_works_without_javascript(site: str, browser: Browser, client_of: ClientOf) -> None:
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(1000 * PATIENCE_SECONDS)
    page = picking(context, site, client_of)
    page.get_by_label("Select a red fox").check()
    page.get_by_role("button", name="Add to the board").click()
    expect(page.get_by_role("heading", name="Winter")).to_be_visible()
    assert kept() == {"a red fox"}
    context.close()
