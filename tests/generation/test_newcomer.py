"""The newcomer's path in a real browser against a real stack: type, watch, play, download, come back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from loremotion.local.stack import Stack
from tests.patience import PATIENCE_SECONDS
from tests.prepared_site import NewSite

pytestmark = pytest.mark.browser

PROMPT = "a red circle moving right on a black background"
ARRIVES_WITHIN = 1000 * PATIENCE_SECONDS
PLAYS = "v => new Promise(done => v.addEventListener('timeupdate', () => v.currentTime > 0.2 && done()))"


@pytest.fixture(scope="module")
def stack(new_site: NewSite) -> Iterator[Stack]:
    with Stack(new_site("newcomer"), is_prepared=True, processes=("web", "reports", "beat", "gpu")) as running:
        running.wait_for_worker()
        yield running


def complaints_of(page: Page) -> list[str]:
    """Collects what the browser complains about: script errors and refusals of the content security policy."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    return complaints


def test_from_a_sentence_to_a_clip(stack: Stack, desktop: BrowserContext, tmp_path: Path) -> None:
    page = desktop.new_page()
    complaints = complaints_of(page)
    page.goto(stack.url)
    expect(page.get_by_text("60 credits left")).to_be_visible()
    page.get_by_label("What should the clip show?").fill(PROMPT)
    expect(page.get_by_role("button", name="Generate")).to_contain_text("2 credits")
    page.get_by_role("button", name="Generate").click()

    page.wait_for_url("**/generations/*/")
    address = page.url
    expect(page.get_by_role("heading", name=PROMPT)).to_be_visible()
    video = page.locator("video")
    expect(video).to_be_visible(timeout=ARRIVES_WITHIN)
    expect(page.get_by_text("58 credits left")).to_be_visible()
    video.evaluate(PLAYS)

    with page.expect_download() as download:
        page.get_by_role("link", name="Download").first.click()
    clip = tmp_path / "clip.mp4"
    download.value.save_as(clip)
    assert download.value.suggested_filename == "a-red-circle-moving-right-on-a-black-background.mp4"
    look_at(clip)

    again = desktop.new_page()
    again.goto(stack.url + "/history/")
    again.locator("main").get_by_text(PROMPT, exact=True).click()
    assert again.url == address
    assert complaints == []


def look_at(clip: Path) -> None:
    """The file is what was promised: H.264, yuv420p, faststart, exact count and rate, and on it what was asked for."""
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, stream.average_rate) == (384, 384, 8)
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert "AI-generated" in container.metadata["comment"]
    assert len(frames) == 16
    corner = np.stack(frames)[:, 350:, 280:].astype(int)
    assert all((picture.min(axis=2) > 120).sum() > 50 for picture in corner), "nobody paid, and there is no watermark"
    assert all(np.median(frame) < 40 for frame in frames), "the background is not black"
    assert centre_of_red(frames[-1]) - centre_of_red(frames[0]) > 384 / 3, "nothing red went to the right"
    head = clip.read_bytes()
    assert 0 < head.index(b"moov") < head.index(b"mdat")


def centre_of_red(frame: np.ndarray[Any, np.dtype[np.uint8]]) -> float:
    """Mean column of the red pixels, of which there must be some."""
    red, green, blue = (frame[..., channel].astype(int) for channel in range(3))
    columns = np.nonzero((red > 140) & (red > 2 * green) & (red > 2 * blue))[1]
    assert columns.size > 500
    return float(columns.mean())


def test_the_stages_are_shown_live_with_a_picture(stack: Stack, phone: BrowserContext) -> None:
    page = phone.new_page()
    page.goto(stack.url)
    token = page.locator("[name=csrfmiddlewaretoken]").first.input_value()
    video = page.request.post(
        stack.url + "/v1/videos",
        data={"prompt": PROMPT, "steps": 50},
        headers={"X-CSRFToken": token, "Referer": stack.url},
    ).json()
    page.goto(video["lm"]["page_url"] + "#main")  # as after the skip link
    expect(page.locator("#rail [aria-current]")).to_have_text("Rendering", timeout=ARRIVES_WITHIN)
    expect(page.locator("#status")).to_contain_text("of 50")
    expect(page.get_by_alt_text("Preview of the clip so far")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways on a phone"
    expect(page.locator("video")).to_be_visible(timeout=ARRIVES_WITHIN)


def test_another_visitor_does_not_find_it(stack: Stack, browser: Browser, desktop: BrowserContext) -> None:
    page = desktop.new_page()
    page.goto(stack.url)
    page.get_by_role("button", name="Generate").click()
    page.wait_for_url("**/generations/*/")
    stranger = browser.new_context()
    answer = stranger.new_page().goto(page.url)
    assert answer is not None
    assert answer.status == 404
    stranger.close()


def test_without_javascript_the_page_refreshes_itself(stack: Stack, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(stack.url)
    page.get_by_label("What should the clip show?").fill("a blue square")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("video")).to_be_visible(timeout=ARRIVES_WITHIN)
    context.close()


def test_it_works_by_keyboard_alone(stack: Stack, desktop: BrowserContext) -> None:
    page = desktop.new_page()
    page.goto(stack.url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    prompt = page.get_by_label("What should the clip show?")
    for _ in range(20):
        page.keyboard.press("Tab")
        if prompt.evaluate("box => box === document.activeElement"):
            break
    page.keyboard.press("Control+A")
    page.keyboard.type("a green star spinning")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/generations/*/")
    expect(page.get_by_role("heading", name="a green star spinning")).to_be_visible()


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(stack: Stack, desktop: BrowserContext) -> None:
    page = desktop.new_page()
    page.goto(stack.url)
    page.get_by_role("radio", name="Image").check()
    picked = page.locator("input[type=file]:enabled").first
    picked.evaluate(
        """input => {
            const files = new DataTransfer();
            files.items.add(new File([new Uint8Array(Number(input.dataset.mostBytes) + 1)], 'holiday.png'));
            input.files = files.files;
            input.dispatchEvent(new Event('change', { bubbles: true }));
        }"""
    )
    expect(page.locator("#file-problem")).to_contain_text("holiday.png is")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.method} {request.url}"))
    page.get_by_role("button", name="Generate").click()
    assert picked.evaluate("input => input.matches(':invalid')")
    assert f"POST {stack.url}/generations/" not in sent
    picked.evaluate("input => { input.value = ''; input.dispatchEvent(new Event('change', { bubbles: true })); }")
    expect(page.locator("#file-problem")).to_be_hidden()
    page.get_by_role("radio", name="Text").check()
    page.get_by_role("button", name="Generate").click()
    page.wait_for_url("**/generations/*/")


def test_what_would_not_be_read_of_a_prompt_is_said_while_it_is_typed(stack: Stack, desktop: BrowserContext) -> None:
    page = desktop.new_page()
    complaints = complaints_of(page)
    page.goto(stack.url)
    box, told = page.get_by_label("What should the clip show?"), page.locator("#prompt-length")
    expect(told).to_be_hidden()
    room = " ".join(["red"] * 23)
    box.fill(room)
    expect(told).to_have_text("23 of 23 tokens")
    box.fill(f"{room} circle moving right")
    expect(told).to_have_text("26 of 23 tokens. This part would be ignored: circle moving right")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("alert")).to_contain_text("Preview reads at most 23")
    expect(box).to_have_value(f"{room} circle moving right")
    box.fill("a red circle")
    expect(told).to_be_hidden()
    assert [c for c in complaints if "422" not in c] == []  # the browser's own word for the refused form


def test_the_example_follows_the_model_and_own_words_stay(stack: Stack, desktop: BrowserContext) -> None:
    page = desktop.new_page()
    page.goto(stack.url)
    box = page.get_by_label("What should the clip show?")
    expect(box).to_have_value(PROMPT)
    add_another_model = """
        const of = document.querySelector('.of-model').cloneNode(true);
        Object.assign(of.dataset, { model: 'other', example: '' });
        of.querySelector('.examples').remove(); // they are the built-in model's alone
        document.querySelector('.of-model').after(of);
        const card = document.querySelector('.model-card').cloneNode(true);
        card.querySelector('strong').textContent = 'Other';
        Object.assign(card.querySelector('input'), { value: 'other', checked: false });
        document.querySelector('.model-card').after(card);
    """
    page.evaluate(add_another_model)
    choose(page, "Other")
    expect(box).to_have_value("")
    choose(page, "Preview")
    expect(box).to_have_value(PROMPT)
    page.locator(".of-model:enabled .example").nth(1).click()
    example = box.input_value()
    page.evaluate("dispatchEvent(new Event('pageshow'))")  # as where the form comes with this prompt
    assert example != PROMPT
    expect(box).to_have_value(example)
    box.fill("a fox")
    choose(page, "Other")
    expect(box).to_have_value("a fox")


def choose(page: Page, model: str) -> None:
    """Opens the picker of models and takes one."""
    page.locator(".picker summary").click()
    page.get_by_role("radio", name=model).click()
    expect(page.locator("#picked")).to_have_text(model)
    expect(page.locator(".cards")).to_be_hidden()
