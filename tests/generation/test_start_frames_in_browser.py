"""Several start frames in a real browser: picked, dropped, taken out again, with the price of all beside the button."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, FilePayload, Locator, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from generation.models import Generation
from generation.settlement import settle
from tests.generation import factories
from tests.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DROP = """(zone, files) => {
    const dataTransfer = new DataTransfer();
    for (const { name, type, bytes } of files) {
        dataTransfer.items.add(new File([Uint8Array.from(atob(bytes), (one) => one.charCodeAt(0))], name, { type }));
    }
    zone.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
}"""


@pytest.fixture
def address(live_server: LiveServer, settings: Settings) -> Iterator[str]:
    settings.SITE_URL = live_server.url
    settings.STORAGES = django_settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    factories.model(modes=["text", "image"])
    yield str(live_server.url)
    for waiting in Generation.objects.open():  # whoever still watches it is told, and the server may end
        settle.cancel(waiting)


def picture(name: str) -> FilePayload:
    content = io.BytesIO()
    Image.new("RGB", (96, 64), name.partition(".")[0]).save(content, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": content.getvalue()}


def dropped(name: str) -> dict[str, Any]:
    return {"name": name, "type": "image/png", "bytes": b64encode(picture(name)["buffer"]).decode()}


def start_frames(page: Page, address: str) -> Locator:
    page.goto(address)
    page.get_by_label("What should the clip show?").fill("the wind rises")
    page.get_by_role("radio", name="Image").check()
    return page.locator("input[name=image]")


def cost_of(page: Page) -> Locator:
    return page.get_by_role("button", name="Generate")


def test_each_picture_that_is_dropped_raises_the_price_until_it_is_taken_out(
    address: str, phone: BrowserContext
) -> None:
    page = phone.new_page()
    chosen = start_frames(page, address)
    zone = page.locator(".drop", has=chosen)
    chosen.set_input_files([picture("red.png"), picture("blue.png")])
    expect(cost_of(page)).to_contain_text("22 credits")
    expect(page.locator("#price")).to_contain_text("2 × ")
    zone.evaluate(DROP, [dropped("lime.png"), {**dropped("blue.png"), "type": "text/plain"}])
    expect(cost_of(page)).to_contain_text("33 credits")
    expect(zone.locator("img")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways on a phone"
    page.get_by_role("button", name="Remove blue.png").click()
    expect(cost_of(page)).to_contain_text("22 credits")
    expect(chosen).to_be_focused()
    cost_of(page).click()
    page.wait_for_url("**/history/sheet/*")
    expect(page.get_by_role("heading", name="2 clips")).to_be_visible()
    assert Generation.objects.filter(mode="image").count() == 2


def test_more_than_are_made_at_once_are_not_sent(address: str, desktop: BrowserContext) -> None:
    page = desktop.new_page()
    chosen = start_frames(page, address)
    chosen.set_input_files([picture("red.png")] * 25)
    page.get_by_role("radio", name="×2").check()
    expect(page.locator("#file-problem")).to_have_text("These pictures make 50 clips. Up to 48 are made at once.")
    cost_of(page).click()
    assert not Generation.objects.exists()


def test_without_javascript_the_price_of_all_is_shown_before(address: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(1000 * PATIENCE_SECONDS)
    page = context.new_page()
    start_frames(page, address).set_input_files([picture("red.png"), picture("blue.png")])
    cost_of(page).click()
    expect(page.get_by_text("2 start frames make a clip each.")).to_be_visible()
    expect(cost_of(page)).to_contain_text("22 credits")
    page.locator("input[name=image]").set_input_files([picture("red.png"), picture("blue.png")])
    cost_of(page).click()
    page.wait_for_url("**/history/sheet/*")
    assert Generation.objects.count() == 2
    context.close()
