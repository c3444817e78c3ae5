"""Staff at work in a real browser, with the keyboard alone; and no page of the admin keeps anybody out."""

from __future__ import annotations

import pytest
import redis
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it has no types
from django.conf import settings as django_settings
from django.core.cache import cache
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import User, Workspace
from billing import ledger
from catalog import costs
from catalog.models import Alias, Model
from generation import reports
from generation.models import TRIALS_WORKSPACE, Generation, State
from generation.scheduling import dispatch
from generation.settlement import retries, settle
from generation.submission import trials
from gpu_worker.error_codes import HANDED_BACK
from gpu_worker.valkey_names import rq_worker
from tests.accounts.factories import browser_of, person
from tests.generation import factories
from tests.generation.test_fleet_page import GB, TRANSFORMER, heard, on_card

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    "resultTypes": ["violations"],  # what is well is not written up element by element: that takes longest
}
MOST_TABS = 120


@pytest.fixture
def site(live_server: LiveServer, settings: Settings) -> str:
    settings.SITE_URL = live_server.url
    settings.STORAGES = django_settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    cache.clear()
    factories.model()
    return str(live_server.url)


@pytest.fixture
def page(site: str, desktop: BrowserContext) -> Page:
    """A page of a member of staff who may do everything. What goes wrong in it fails the test."""
    name = django_settings.SESSION_COOKIE_NAME
    cookie = browser_of(person("staff@example.com", is_staff=True)).cookies[name].value
    desktop.add_cookies([{"name": name, "value": cookie, "url": site}])
    return desktop.new_page()


def tab_to(page: Page, is_there: str) -> None:
    """Press Tab until ``is_there``, a JavaScript expression about the focused element ``e``, is true."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate(f"(() => {{ const e = document.activeElement; return {is_there}; }})()"):
            return
    raise AssertionError(f"Tab does not lead to where {is_there}")


def press(page: Page, words: str) -> None:
    """Tab to the link or button that says so, and press it; it leads to a page."""
    tab_to(page, f"(e.textContent || e.value || '').trim() === '{words}' || e.ariaLabel === '{words}'")
    with page.expect_navigation():
        page.keyboard.press("Enter")


def type_into(page: Page, id: str, text: str) -> None:
    tab_to(page, f"e.id === '{id}'")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(text)


def type_where_the_focus_is(page: Page, id: str, text: str) -> None:
    """Type into the field that the page focuses by itself, once it does: the browser may get there after the load."""
    expect(page.locator(f"#{id}")).to_be_focused()
    page.keyboard.type(text)
    expect(page.locator(f"#{id}")).to_have_value(text)


def choose(page: Page, words: str) -> None:
    """Go through the focused list with the arrow keys to the choice that says so, however slowly keys arrive."""
    page.keyboard.press("Home")
    for _ in range(MOST_TABS):
        if page.evaluate("document.activeElement.selectedOptions[0].label.trim()") == words:
            return
        page.keyboard.press("ArrowDown")
    raise AssertionError(f"the list has no {words}")


def test_no_page_keeps_anybody_out(site: str, page: Page, valkey: redis.Redis) -> None:
    workspace = factories.visitor(credits=100).workspace
    clip = factories.submitted(workspace)
    heard(valkey, doing=clip, **on_card(TRANSFORMER))
    model = Model.objects.get()
    assert model.current is not None
    trial = trials.start(model.current, by=User.objects.get(email="staff@example.com"))
    other = factories.model("other", is_default=False)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    complaints: list[str] = []
    for path in (
        *("", "fleet/", "generation/generation/", f"generation/generation/{clip.id}/change/", "customers/"),
        *(f"customers/{workspace.id}/", "catalogue/", f"catalogue/{other.id}/default/", "catalogue/add/"),
        f"trials/{trial.id}/",
        *(f"catalog/model/{model.id}/versions/", f"catalog/model/{model.id}/change/", "money/", "system/"),
        *("audit/?who=everybody", "shop/stripeevent/", "accounts/workspace/"),
    ):
        page.goto(f"{site}/admin/{path}", wait_until="networkidle")
        complaints += [f"{path}: {each}" for each in said]
        found = Axe().run(page, options=RULES)
        serious = [each for each in found.response["violations"] if each["impact"] in ("serious", "critical")]
        complaints += [f"{path}: {each['id']}, {each['nodes'][0]['html']}" for each in serious]
        said.clear()  # of what the check itself is kept from
    assert not complaints, "\n".join(complaints)


def test_a_customer_is_found_by_address_and_given_credits(site: str, page: Page) -> None:
    ada = person("ada@example.org")
    page.goto(f"{site}/admin/customers/")
    type_where_the_focus_is(page, "q", "ada@exa")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="ada@example.org", exact=True)).to_be_visible()
    type_into(page, "id_amount", "250")
    expect(page.locator("#outcome")).to_contain_text("0 → 250 available")
    type_into(page, "id_reason", "an outage")
    press(page, "Give 250")
    expect(page.locator(".success")).to_contain_text("250 credits given: an outage")
    assert ledger.balance(account=Workspace.objects.get(memberships__user=ada).id).available == 250


def test_a_gpu_is_drained_and_its_clip_moves(site: str, page: Page, valkey: redis.Redis) -> None:
    workspace = factories.visitor(credits=100).workspace
    clip = factories.submitted(workspace)
    dispatch.fill_window()
    settle.start(generation_id=clip.id, attempt=1, worker="gpu-7")
    heard(valkey, doing=clip)
    heard(valkey, name="gpu-8")
    page.goto(f"{site}/admin/fleet/")
    listener: redis.client.PubSub = valkey.pubsub()  # type: ignore[no-untyped-call]  # redis-py has no types for it
    listener.subscribe(f"rq:pubsub:{rq_worker('gpu-7')}")
    tab_to(page, "e.tagName === 'SUMMARY' && e.textContent.startsWith('Drain')")
    page.keyboard.press("Enter")
    tab_to(page, "e.name === 'within_seconds'")
    choose(page, "goes to another GPU at once")
    press(page, "Drain gpu-7")
    expect(page.locator(".success")).to_contain_text("Worker gpu-7 takes no more clips")
    listener.close()
    # As the worker does once it hears it: it hands the clip back, and another takes it.
    retries.requeue(generation_id=clip.id, attempt=1, code=HANDED_BACK, reason="The worker leaves.")
    heard(valkey, state="draining")
    heard(valkey, name="gpu-8", doing=Generation.objects.get(id=clip.id))
    page.reload()
    expect(page.locator(".card").nth(0)).to_contain_text("No clip in hand")
    expect(page.locator(".card").nth(1)).to_contain_text("Toy: denoising")
    press(page, "Resume gpu-7")
    expect(page.locator(".success")).to_contain_text("Worker gpu-7 takes clips again")


def test_why_a_clip_waits_is_said_beside_it(site: str, page: Page, valkey: redis.Redis) -> None:
    clip = factories.submitted(factories.visitor(credits=100).workspace)
    Generation.objects.filter(id=clip.id).update(needs_bytes=80 * GB, state=State.QUEUED)
    heard(valkey)
    why = "Needs 80 GB of one GPU, and the largest that takes clips has 16 GB."
    page.goto(f"{site}/admin/")
    press(page, "1 queued clip that no GPU fits")
    assert page.url.endswith("/admin/fleet/#queue")
    expect(page.get_by_role("region", name="Queue")).to_contain_text(why)
    tab_to(page, f"(e.pathname || '').includes('{clip.id}')")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("#at-a-look")).to_contain_text(why)


def test_on_a_phone_every_page_has_the_menu_and_nothing_is_off_the_screen(
    site: str, phone: BrowserContext, valkey: redis.Redis
) -> None:
    ada = person("ada@example.org")
    clip = factories.submitted(factories.visitor(credits=100).workspace)
    heard(valkey, doing=clip, **on_card(TRANSFORMER))
    name = django_settings.SESSION_COOKIE_NAME
    cookie = browser_of(person("staff@example.com", is_staff=True)).cookies[name].value
    phone.add_cookies([{"name": name, "value": cookie, "url": site}])
    page = phone.new_page()
    assert page.viewport_size is not None
    width = page.viewport_size["width"]  # the window's own width grows with what is off the screen
    for path in (
        "",
        "fleet/",
        "generation/generation/",
        f"generation/generation/{clip.id}/change/",
        "catalogue/",
        "audit/",
    ):
        page.goto(f"{site}/admin/{path}")
        page.locator(".phone-menu > summary").press("Enter")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        found = Axe().run(page, options=RULES)
        serious = [each["id"] for each in found.response["violations"] if each["impact"] in ("serious", "critical")]
        assert not serious, path
    page.get_by_role("searchbox", name="Find a customer").fill("ada@exa")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=str(ada.email), exact=True)).to_be_visible()


def test_a_model_is_added_tried_enabled_and_made_the_default(site: str, page: Page) -> None:
    page.goto(f"{site}/admin/catalogue/")
    press(page, "Add a model")
    type_where_the_focus_is(page, "source", "owner/Quick")
    tab_to(page, "e.id === 'family'")
    version = Model.objects.get().current
    assert version is not None
    choose(page, version.family_facts.title)
    tab_to(page, "e.id === 'licence'")
    choose(page, version.licence)
    press(page, "Next")
    expect(page.locator("#id_licence")).to_have_value(version.licence)
    expect(page.locator("#id_sizes")).to_have_value("96x64\n192x128")
    expect(page.locator("#id_slug")).to_have_value("quick")
    type_into(page, "id_summary", "Quick.")
    press(page, "Next: what it costs")
    expect(page.locator("#id_summary")).to_be_hidden()
    for part, text in (("gpu_seconds", "30"), ("size", "96x64"), ("frames", "17"), ("steps", "8"), ("source", "Us")):
        if part == "size":
            tab_to(page, "e.id === 'id_reference_speed.card'")
            choose(page, "H100")
        type_into(page, f"id_reference_speed.{part}", text)
    assert page.locator("[id='id_prices.standard.360p']").input_value() == "5000"
    press(page, "Use suggested prices")
    expect(page.locator("[id='id_prices.standard.360p']")).not_to_have_value("5000")
    expect(page.locator("#id_prices [role=status]")).to_contain_text("Nothing is saved yet")
    press(page, "Save as a draft, then try it")
    press(page, "Run it")
    assert "/admin/trials/" in page.url
    expect(page.locator("#trial")).to_contain_text("to come")
    deliver(Generation.objects.get(workspace=TRIALS_WORKSPACE))
    quick = Model.objects.get(slug="quick").current
    assert quick is not None
    assert quick.prices == costs.suggested_prices(quick)
    expect(page.locator("#trial video")).to_be_visible()
    expect(page.locator("#trial")).to_contain_text("Such a clip costs")
    expect(page.locator("[aria-current=step]")).to_contain_text("Test render, then enable")
    press(page, "Enable Quick")
    press(page, "Make Quick the default")
    expect(page.locator("#content-main")).to_contain_text("Toy, the default now")
    press(page, "Make Quick the default")
    expect(page.locator(".success")).to_contain_text("Quick is the default now")
    page.goto(site)
    assert Alias.objects.get(name="default").model.slug == "quick"
    expect(page.locator("body")).to_contain_text("Quick")


def deliver(trial: Generation) -> None:
    """What a GPU worker does with a test render."""
    dispatch.fill_window()
    trial.refresh_from_db()
    factories.deliver_clip(trial)
    reports.finished(factories.report(trial).to_wire())
