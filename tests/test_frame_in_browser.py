"""The frame of every page in a real browser: bars, menu, times; and what no page may do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it has no types
from django.conf import settings as django_settings
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts import workspaces
from accounts.models import User, Workspace
from billing import ledger
from generation.models import Generation, State
from tests.accounts import factories as accounts
from tests.generation import factories as clips

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAGES = [
    "/",
    "/history/",
    "/models/",
    "/models/toy/",
    "/explore/",
    "/pricing/",
    "/billing/",
    "/account/",
    "/data/",
    "/account/login/",
]
MOST_BYTES = 30_000
NOTE_SHIFTS = """
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
            if (entry.hadRecentInput) continue;
            for (const { node } of entry.sources) window.shifts.push(node?.outerHTML ?? node?.textContent ?? '');
        }
    }).observe({ type: 'layout-shift', buffered: true });
"""
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],  # what is well is not written up element by element: that takes longest
}


@pytest.fixture
def site(live_server: LiveServer, settings: Settings) -> str:
    settings.SITE_URL = live_server.url
    settings.STORAGES = django_settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    clips.model()
    return str(live_server.url)


@pytest.fixture
def alice(site: str, desktop: BrowserContext, phone: BrowserContext) -> User:
    """Somebody with a team, whose cookie both screens have; clips of theirs are on their way in the team."""
    alice = accounts.person()
    team = accounts.team(alice)
    ledger.grant(account=team.id, reference=str(team.id), amount=1_000, kind=ledger.LotKind.PACK)
    clips.submitted(team, prompt="a fox in the snow")
    sign_in(desktop, site, alice)
    sign_in(phone, site, alice)
    return alice


def sign_in(context: BrowserContext, site: str, person: User) -> None:
    name = django_settings.SESSION_COOKIE_NAME
    cookie = accounts.browser_of(person).cookies[name].value
    context.add_cookies([{"name": name, "value": cookie, "url": site}])


def look_at(page: Page, address: str) -> None:
    """Opens the page, and holds it to what every page keeps."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.add_init_script(NOTE_SHIFTS)
    answer = page.goto(address)
    assert answer is not None
    assert answer.ok, address
    assert len(answer.body()) < MOST_BYTES, address
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.shifts") == [], f"{address} moves while it loads"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{address} scrolls sideways"
    assert complaints == [], address


def assert_accessible(page: Page) -> None:
    found = Axe().run(page, options=RULES)
    assert found.violations_count == 0, found.generate_report()


def test_pages_are_light_still_and_accessible_for_a_newcomer(site: str, browser: Browser) -> None:
    phone = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    for address in PAGES:
        page = phone.new_page()
        look_at(page, site + address)
        assert_accessible(page)
        page.close()
    phone.close()


def test_pages_are_light_still_and_accessible_for_a_member(site: str, desktop: BrowserContext, alice: User) -> None:
    for address in ["/", "/history/", "/pricing/", "/billing/", "/account/", "/workspace/keys/"]:
        page = desktop.new_page()
        look_at(page, site + address)
        page.locator("details.menu summary").click()
        assert_accessible(page)
        page.close()


def test_the_menu_switches_the_workspace_and_closes_on_escape(site: str, desktop: BrowserContext, alice: User) -> None:
    page = desktop.new_page()
    page.goto(f"{site}/models/")
    button, panel = page.locator("details.menu summary"), page.locator("details.menu > .menu-panel")
    button.focus()
    page.keyboard.press("Enter")
    expect(panel).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(button).to_be_focused()
    button.click()
    panel.get_by_role("button", name="Switch to Studio").click()
    expect(page.locator("details.menu .where")).to_have_text("Studio")
    button.click()
    page.locator("h1").click()
    expect(panel).to_be_hidden()


def test_who_signs_out_leaves_nothing_of_theirs_in_the_browser(site: str, desktop: BrowserContext, alice: User) -> None:
    page = desktop.new_page()
    page.goto(f"{site}/models/")
    page.evaluate("sessionStorage.setItem('draft', '{}'); localStorage.setItem('clips-on-their-way-mine', '[1]')")
    page.locator("details.menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign up").first).to_be_visible()
    assert page.evaluate("sessionStorage.getItem('draft')") is None
    assert page.evaluate("localStorage.getItem('clips-on-their-way-mine')") is None


def test_on_a_phone_the_main_pages_are_at_the_thumb(site: str, phone: BrowserContext, alice: User) -> None:
    page = phone.new_page()
    page.goto(f"{site}/models/")
    bar = page.get_by_role("navigation", name="Main")
    assert bar.get_by_role("link").all_inner_texts() == ["Create", "Explore", "Library", "Models", "You"]
    box = bar.bounding_box()
    assert box is not None
    assert round(box["y"] + box["height"]) == 844
    expect(bar.get_by_role("link", name="Models")).to_have_attribute("aria-current", "page")
    bar.get_by_role("link", name="You").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def test_no_width_scrolls_sideways_also_with_a_long_name(site: str, desktop: BrowserContext, alice: User) -> None:
    Workspace.objects.update(name="A studio whose name is longer than any bar")
    page = desktop.new_page()
    page.goto(f"{site}/")
    for width in (320, 360, 840, 869, 900, 1000, 1100):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"at {width} px"


def test_enter_in_the_picker_takes_the_model_and_sends_nothing(site: str, desktop: BrowserContext, alice: User) -> None:
    page = desktop.new_page()
    page.goto(f"{site}/")
    page.get_by_label("What should the clip show?").fill("a fox")
    summary = page.locator(".picker summary")
    for key in ("Enter", "Escape"):
        summary.click()
        page.locator("[name=model]:checked").focus()
        page.keyboard.press(key)
        expect(page.locator(".cards")).to_be_hidden()
        expect(summary).to_be_focused()
    assert page.url == f"{site}/"


def test_times_are_the_reader_s_own(site: str, browser: Browser) -> None:
    context = browser.new_context(timezone_id="Asia/Tokyo", locale="en-GB")
    page = context.new_page()
    body = (
        '<html lang="en"><time data-as="moment" datetime="2026-03-14T20:30:00+00:00">UTC</time>'
        '<script type="module" src="/static/time.js"></script>'
    )
    page.route(f"{site}/times/", lambda route: route.fulfill(body=body, content_type="text/html"))
    page.goto(f"{site}/times/")
    expect(page.locator("time")).to_have_text("15 Mar 2026, 05:30")
    context.close()


def test_without_javascript_times_are_said_in_utc(site: str, browser: Browser, alice: User) -> None:
    context = browser.new_context(java_script_enabled=False)
    sign_in(context, site, alice)
    page = context.new_page()
    page.goto(f"{site}/billing/")
    at = page.locator("time[data-as=moment]").first
    assert datetime.fromisoformat(at.get_attribute("datetime") or "").astimezone(UTC)
    expect(at).to_contain_text("UTC")
    page.locator("details.menu summary").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    context.close()


def test_the_tray_tells_on_every_page_what_becomes_of_a_clip(site: str, phone: BrowserContext, alice: User) -> None:
    clips.submitted(workspaces.personal_of(alice), prompt="a boat at sea")
    Generation.objects.update(made_by=alice)  # of her own alone it tells
    page = phone.new_page()
    page.goto(f"{site}/history/")
    tray = page.locator("#tray summary")
    expect(tray).to_contain_text("1 clip in progress")
    look_at(page, f"{site}/pricing/")
    expect(tray).to_contain_text("1 clip in progress")
    expect(page).to_have_title("(1) Pricing · LoreMotion")
    tray.click()
    expect(page.locator("#tray").get_by_role("link", name="a boat at sea")).to_be_in_viewport(ratio=1)
    assert_accessible(page)

    other = phone.new_page()  # it hears of the end from whichever page asks
    other.goto(f"{site}/billing/")
    Generation.objects.update(state=State.SUCCEEDED)
    expect(other.get_by_role("status").get_by_text("Your clip is ready")).to_be_visible()
    expect(page).to_have_title("✓ Ready · Pricing · LoreMotion")
    assert_accessible(other)
    other.get_by_role("button", name="Dismiss").click()
    expect(other.get_by_text("Your clip is ready")).to_have_count(0)
    other.reload()
    expect(other.get_by_text("Your clip is ready")).to_have_count(0)
