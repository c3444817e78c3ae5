"""Pages of clips on their way in a real browser, where the test says when a clip ends."""

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections.abc import Iterator
from itertools import pairwise

import pytest
import redis
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import BrowserContext, Page, Route, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.proofs import altcha
from generation.models import Generation
from generation.scheduling import dispatch, forecast_board
from generation.scheduling.calibration import Calibration, Range
from generation.scheduling.forecast import Expected, Forecast
from generation.scheduling.observation import Observer
from generation.scheduling.smoothing import Told, room
from generation.scheduling.wait import waits_of
from generation.settlement import forecasting, settle
from gpu_worker.valkey_names import WORKERS_KEY
from tests.generation import factories
from tests.generation.test_wait import machine

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

STREAMS = """
    window.streams = [];
    window.EventSource = class extends EventSource {
        constructor(address) {
            super(address);
            window.streams.push(this);
            // However busy the machine is, the page does not load itself anew for want of a stream.
            setTimeout(() => this.dispatchEvent(new Event('open')));
        }
    };
    Object.defineProperty(document, 'hidden', { get: () => window.isHidden ?? false });
    window.hide = (isHidden) => { window.isHidden = isHidden; document.dispatchEvent(new Event('visibilitychange')); };
"""
SHOW_PREVIEW = """(preview) => {
    window.streams[0].dispatchEvent(new MessageEvent('preview', { data: JSON.stringify({ preview }) }));
}"""
TELL_WAIT = """(wait) => {
    window.streams[0].dispatchEvent(new MessageEvent('queue', { data: JSON.stringify(wait) }));
    return document.getElementById('status').textContent;
}"""
SLOW = {"gpu_seconds": 300, "card": "H100", "size": "96x64", "frames": 17, "steps": 8, "source": "a test"}
LOOK = '<button name="look" value="1" formnovalidate>Only look</button>'
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
    return Generation.objects.latest("created_at")


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


def test_previews_stay_below_the_newest_as_a_filmstrip(site: str, desktop: BrowserContext) -> None:
    page = desktop.new_page()
    page.add_init_script(STREAMS)
    asked_for(page, site)
    for picture in ("one", "two", "two"):
        page.evaluate(SHOW_PREVIEW, f"data:image/gif;base64,{b64encode(picture.encode()).decode()}")
    expect(page.locator("#strip img")).to_have_count(2)
    expect(page.locator("#preview")).to_have_attribute("src", re.compile(b64encode(b"two").decode()))


def test_the_title_of_a_page_that_nobody_sees_tells_when_the_clip_is_ready(site: str, desktop: BrowserContext) -> None:
    page = desktop.new_page()
    page.add_init_script(STREAMS)
    page.clock.install()
    generation = asked_for(page, site)
    page.evaluate("hide(true)")
    finish(generation)
    page.clock.fast_forward(16_000)
    expect(page).to_have_title(re.compile("^✓ Ready"))


def test_a_form_sent_before_the_proof_of_work_is_done_is_sent_after_it(
    site: str, desktop: BrowserContext, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VISITORS_PER_NETWORK_PER_DAY = 4
    monkeypatch.setattr(altcha, "LEAST_WORK", 50)
    monkeypatch.setattr(altcha, "MOST_WORK", 500)
    for _ in range(2):
        assert Client().post("/generations/", {"prompt": "a red circle"}).status_code == 302
    page, held = desktop.new_page(), list[Route]()

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/challenge/", hold)
    with page.expect_request("**/challenge/"):
        page.goto(site)
    page.get_by_label("What should the clip show?").fill("a red circle")
    page.evaluate("look => document.querySelector('form.generate .go').insertAdjacentHTML('beforeend', look)", LOOK)
    with page.expect_request("**/challenge/"):
        page.get_by_role("button", name="Only look").click()
        held[0].continue_()
    assert Generation.objects.count() == 2, "what was only looked at was made"
    page.get_by_role("button", name="Generate").click()
    held[1].continue_()
    page.wait_for_url("**/generations/*/")


def test_a_clip_that_leaves_the_state_that_is_shown_is_no_longer_asked_for(site: str, desktop: BrowserContext) -> None:
    page = desktop.new_page()
    generation = asked_for(page, site)
    page.goto(f"{site}/history/?state=open")
    finish(generation)
    expect(page.locator("[data-state=succeeded] img")).to_have_count(1)


def test_no_range_jumps_by_more_than_it_may(
    site: str, desktop: BrowserContext, valkey: redis.Redis, settings: Settings
) -> None:
    """Whatever is found from one round of the beat to the next."""
    settings.HOUSEKEEPING_SECONDS = 600  # what is put up lasts for as long as the test, however busy the machine is
    machine(valkey)
    page, told, at, shown = desktop.new_page(), Told(), time.time(), list[list[int]]()
    page.add_init_script(STREAMS)
    mine = asked_for(page, site)
    for minutes in (20, 80, 80, 80, 8):
        found = Range(30.0 * minutes, 45.0 * minutes, 60.0 * minutes)
        said = told.smooth({str(mine.id): Expected(found, found)}, at=at)
        forecast_board.publish(said, Forecast({}), Calibration(), {}, {}, at=at, clock=0.0)
        words = page.evaluate(TELL_WAIT, waits_of([mine])[mine.id].to_json())
        shown.append([int(end) for end in re.findall(r"Ready in about (\d+)–(\d+) min", words)[0]])
    passed_minutes = (time.time() - at) / 60
    for before, now in [ends for pair in pairwise(shown) for ends in zip(*pair, strict=True)]:
        assert abs(now - before) <= room(60 * before) / 60 + 1 + 2 * passed_minutes, "each is rounded to a minute"
    assert shown[3] > shown[0], "what differs for good is reached"


def test_in_a_mixed_queue_of_several_owners_no_range_jumps_by_more_than_it_may(
    site: str, desktop: BrowserContext, valkey: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Machines come and are lost, others pay, end and cancel; the beat's own forecasts say what comes of it."""
    settings.HOUSEKEEPING_SECONDS = 600  # what is put up lasts for as long as the test, however busy the machine is
    monkeypatch.setattr(forecasting, "_told", Told())
    monkeypatch.setattr(forecasting, "_observer", Observer())
    machine(valkey)
    factories.model("slow", is_default=False, reference_speed=SLOW)
    others = [
        factories.submitted(factories.visitor(credits=100 * (number % 2)).workspace, model=("toy", "slow")[number % 2])
        for number in range(14)
    ]
    page = desktop.new_page()
    page.add_init_script(STREAMS)
    mine = asked_for(page, site)
    shown = list[tuple[float, list[float], float]]()

    def look() -> None:
        began = time.time()
        forecasting.put_up_forecast()
        mine.refresh_from_db()
        words = page.evaluate(TELL_WAIT, waits_of([mine])[mine.id].to_json())
        low, high, unit = re.findall(r"Ready in about (?:(\d+)–)?(\d+) (s|min|h)", words)[0]
        seconds = {"s": 1.0, "min": 60.0, "h": 3600.0}[unit]
        shown.append((began, [float(low or high) * seconds, float(high) * seconds], seconds))

    def cancel() -> None:
        for other in others[5:]:
            settle.cancel(other)

    def pay() -> None:
        for _ in range(3):
            factories.submitted(factories.visitor(credits=1_000).workspace, model="slow")

    for happens in (
        lambda: None,
        pay,
        lambda: machine(valkey, name="gpu-second"),
        lambda: valkey.zrem(WORKERS_KEY, "gpu-second"),
        lambda: finish(others[0]),
        cancel,
        lambda: None,
    ):
        happens()
        look()
    for (then, before, unit), (at, now, other_unit) in pairwise(shown):
        for was, said in zip(before, now, strict=True):
            rounded = max(unit, other_unit)
            assert abs(said - was) <= room(was + unit) + rounded + (at - then), "each is rounded to its unit"
    assert len({tuple(ends) for _, ends, _ in shown}) > 2, "what happens is told"


def test_cards_of_clips_on_their_way_keep_up(site: str, desktop: BrowserContext) -> None:
    page = desktop.new_page()
    generation = asked_for(page, site)
    page.goto(f"{site}/history/")
    expect(page.locator("[data-state=succeeded]")).to_have_count(0)
    finish(generation)
    expect(page.locator("[data-state=succeeded] img")).to_have_count(1)
