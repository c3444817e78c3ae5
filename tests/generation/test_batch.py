"""Several clips at once: all are made and paid, or none; sent twice they are made once."""

from __future__ import annotations

import html
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from accounts.models import Visitor
from billing import ledger
from catalog import versions
from catalog.models import Model
from generation.models import Generation, State
from generation.scheduling import dispatch
from generation.settlement import settle
from generation.storage import files
from generation.submission import batch
from generation.submission import submit as submission
from gpu_worker.contract import REMOTE_BYTES, Outcome
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_remote_clips import SPEC, on
from tests.generation.test_uploads import picture_file

PRICE = 11
"""Credits of the toy's default clip."""


@pytest.fixture
def payer(toy: Model, db: None) -> Visitor:
    """Somebody who bought credits, and may have many clips open."""
    made = factories.visitor()
    ledger.grant(account=made.workspace_id, reference=f"bought:{made.id}", amount=100, kind=ledger.LotKind.PACK)
    return made


@pytest.fixture
def browser(payer: Visitor, client_of: ClientOf) -> Client:
    browser = client_of(payer)
    browser.get("/billing/")  # the day's allowance is there
    return browser


def make(browser: Client, rows: str, sending: str = "one") -> list[str]:
    """Ids of what was made, in order."""
    answer = browser.post("/batch/make/", {"rows": rows, "sending": sending})
    assert answer.status_code == 302, answer.text
    return re.findall(r"clip=([^&]+)", answer["Location"])


def held(visitor: Visitor) -> int:
    return ledger.balance(account=visitor.workspace_id).held


def test_a_batch_is_shown_with_its_price_and_then_made_with_a_receipt_each(payer: Visitor, browser: Client) -> None:
    page = browser.post("/batch/review/", {"prompts": "a fox\n\n a boat \n", "times": "2"}).text
    assert f"4 clips for {4 * PRICE} credits" in page
    assert not Generation.objects.exists()
    rows = html.unescape(re.findall(r'name="rows" value="([^"]+)"', page)[0])
    seeds = [int(seed) for seed in re.findall(r'data-label="Seed">(\d+)<', page)]
    made = [Generation.objects.get(id=each) for each in make(browser, rows)]
    assert [(each.prompt, each.seed) for each in made] == list(
        zip(["a fox", "a fox", "a boat", "a boat"], seeds, strict=True)
    )
    assert held(payer) == 4 * PRICE
    assert {ledger.receipt(reference=each.id).held for each in made} == {PRICE}
    sheet = browser.get("/history/sheet/", {"clip": [str(each.id) for each in made]}).text
    assert f"4 in progress. {4 * PRICE} credits reserved for all." in sheet
    assert sheet.count(f"{PRICE} reserved") == 4


def reviewed(browser: Client, page: str | None = None) -> dict[str, str]:
    """What the button of a review sends."""
    page = page or browser.post("/batch/review/", {"prompts": "a fox\na boat\n"}).text
    form = page.partition('action="/batch/make/"')[2].partition("</form>")[0]
    return {name: html.unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form)}


def test_a_batch_never_costs_more_than_its_button_says(payer: Visitor, browser: Client, toy: Model) -> None:
    sent = reviewed(browser)
    versions.write_prices(toy, {"standard": {"360p": 10_000}}, by=None)
    answer = browser.post("/batch/make/", sent)
    assert answer.status_code == 409
    assert f"this was {2 * PRICE} credits" in html.unescape(answer.text)
    assert held(payer) == 0
    shown = reviewed(browser, answer.text)
    assert int(shown["credits"]) > 2 * PRICE
    assert browser.post("/batch/make/", shown).status_code == 302
    assert held(payer) == int(shown["credits"])


def test_a_batch_is_made_by_the_model_that_was_shown(payer: Visitor, browser: Client, toy: Model) -> None:
    sent = reviewed(browser)
    versions.make_default(factories.model("other", is_default=False))
    assert browser.post("/batch/make/", sent).status_code == 302
    assert {each.version.model_id for each in Generation.objects.all()} == {toy.id}


def test_one_prompt_is_shown_beside_with_price_wait_and_licence_of_open_and_closed_models(
    payer: Visitor, browser: Client, toy: Model, valkey: redis.Redis
) -> None:
    factories.model("far", is_default=False, licence="Their terms", **SPEC)
    on(valkey, "far-1", REMOTE_BYTES)
    chosen = html.unescape(browser.get("/models/").text).partition('href="/batch/?models=')[2].partition('"')[0]
    assert set(chosen.split("&models=")) == {"far", "toy"}
    assert browser.get(f"/batch/?models={chosen}").text.count("checked") == 2
    page = browser.post("/batch/review/", {"prompts": "a fox", "models": ["far", "toy"]}).text
    rows = re.findall(r"<tr><th scope=\"row\".*?</tr>", page)
    assert len(rows) == 2
    assert 'data-label="Licence">Their terms' in rows[0]
    assert 'data-label="Ready">Ready in about ' in rows[0]
    assert 'data-label="Ready">' in rows[1]
    many = browser.post("/batch/review/", {"prompts": "a fox", "models": ["far", "toy"], "times": "3"}).text
    assert 'data-label="Ready">' not in many
    assert 'data-label="Licence">' in many


def test_a_batch_sent_twice_is_made_once(payer: Visitor, browser: Client) -> None:
    rows = "prompt\na fox\na boat\n"
    first = make(browser, rows)
    assert make(browser, rows) == first
    assert held(payer) == 2 * PRICE
    assert make(browser, rows, sending="another") != first
    assert browser.post("/batch/make/", {"rows": "prompt\na fox\na cat\n", "sending": "one"}).status_code == 409


@pytest.mark.parametrize("rows", ["prompt,seconds\na fox,2\na boat,99\n", "prompt,model\na fox,toy\na boat,none\n"])
def test_of_a_batch_with_a_clip_that_cannot_be_made_nothing_is(payer: Visitor, browser: Client, rows: str) -> None:
    answer = browser.post("/batch/make/", {"rows": rows, "sending": "one"})
    assert answer.status_code == 422
    assert "Clip 2: " in answer.text
    assert not Generation.objects.exists()
    assert held(payer) == 0


def test_a_batch_that_costs_more_than_there_is_is_refused_whole(payer: Visitor, browser: Client) -> None:
    available = ledger.balance(account=payer.workspace_id).available
    number = available // PRICE + 1
    answer = browser.post("/batch/make/", {"rows": "a fox\n" * number, "sending": "one"})
    assert answer.status_code == 402
    assert f"This costs {number * PRICE:,} credits, and you have {available:,}." in html.unescape(answer.text)
    assert not Generation.objects.exists()


def test_what_fails_in_the_middle_leaves_nothing(
    payer: Visitor, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def submit(**asked: Any) -> Generation:
        calls.append(asked)
        if len(calls) == 2:
            raise RuntimeError("the line is cut")
        return submission.submit(**asked)

    monkeypatch.setattr(batch, "submit", submit)
    with pytest.raises(RuntimeError, match="the line is cut"):
        make(browser, "a fox\na boat\n")
    assert not Generation.objects.exists()
    assert held(payer) == 0


def test_a_free_plan_s_open_clips_bound_a_batch(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    factories.submitted(alice.workspace)
    answer = client_of(alice).post("/batch/make/", {"rows": "a fox\n" * 3, "sending": "one"})
    assert answer.status_code == 429
    assert "Your plan allows 3 clips in progress. You have 1, and this asks for 3." in html.unescape(answer.text)
    assert Generation.objects.count() == 1


def test_the_form_sent_twice_makes_its_one_clip_once(payer: Visitor, browser: Client) -> None:
    said = {"prompt": "a fox", "model": "toy", "times": "1", "sending": "one"}
    answers = [browser.post("/generations/", said) for _ in range(2)]
    assert [answer["Location"] for answer in answers] == [f"/generations/{Generation.objects.get().id}/"] * 2
    assert held(payer) == PRICE


def test_the_form_makes_as_many_as_its_chip_says(payer: Visitor, browser: Client) -> None:
    page = browser.get("/").text
    sending = re.findall(r'name="sending" value="([^"]+)"', page)[0]
    said = {"prompt": "a fox", "model": "toy", "times": "4", "seed": "7", "sending": sending}
    answers = [browser.post("/generations/", said) for _ in range(2)]
    assert answers[0]["Location"] == answers[1]["Location"]
    assert answers[0]["Location"].startswith("/history/sheet/?clip=")
    assert sorted(Generation.objects.values_list("seed", flat=True)) == [7, 8, 9, 10]
    assert held(payer) == 4 * PRICE
    assert browser.get("/generations/price/?model=toy&times=4").json()["credits"] == 4 * PRICE


def test_each_of_several_clips_has_the_files_that_it_begins_with(payer: Visitor, browser: Client) -> None:
    factories.model("moving", is_default=False, modes=["image"])
    said = {"prompt": "a fox", "model": "moving", "times": "2", "image": picture_file()}
    answer = browser.post("/generations/", said)
    assert answer.status_code == 302, answer.text
    one, other = Generation.objects.all()
    assert one.inputs["image"] != other.inputs["image"]
    contents = [default_storage.open(each.inputs["image"]).read() for each in (one, other)]
    assert contents[0] == contents[1]
    files.delete(one)
    assert default_storage.exists(other.inputs["image"])


def test_a_csv_file_is_taken_and_one_that_is_no_text_refused(browser: Client) -> None:
    sent = SimpleUploadedFile("clips.csv", b"prompt,seconds\nein Fuchs im Schnee,2\n")
    assert "ein Fuchs im Schnee" in browser.post("/batch/review/", {"file": sent}).text
    assert browser.post("/batch/review/", {"file": SimpleUploadedFile("clips.csv", b"\xff\xfe")}).status_code == 422


@pytest.mark.django_db(transaction=True)
def test_of_the_same_batch_sent_twice_at_once_one_is_made(payer: Visitor, client_of: ClientOf) -> None:
    def send(_: int) -> list[str]:
        try:
            return make(client_of(payer), "a fox\na boat\n")
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(send, range(2))
    assert one == other
    assert Generation.objects.count() == 2


def fail(clip: Generation) -> None:
    dispatch.fill_window()
    assert settle.start(generation_id=clip.id, attempt=1, worker="gpu-test")
    assert settle.settle(factories.report(clip, Outcome.FAILED))


def sheet_of(browser: Client, *clips: Generation) -> str:
    return browser.get("/history/sheet/", {"clip": [str(clip.id) for clip in clips]}).text


def test_what_failed_is_sent_again_at_a_price_that_is_shown_first(payer: Visitor, browser: Client) -> None:
    make(browser, 'prompt,negative_prompt,seconds,seed\na fox,"blur, text",1,5\na boat,,1,6\na hare,,1,7\n')
    fox, boat, hare = Generation.objects.order_by("seed")
    assert "again" not in sheet_of(browser, fox, boat, hare)
    settle.cancel(hare)
    fail(fox)
    page = sheet_of(browser, fox, boat, hare)
    assert "1 clip failed and costs nothing." in page
    assert "Send 1 clip again" in page
    rows = html.unescape(re.findall(r'name="prompts" value="([^"]+)"', page)[0])
    review = browser.post("/batch/review/", {"prompts": rows}).text
    assert "1 clip for " in review
    (again,) = make(browser, html.unescape(re.findall(r'name="rows" value="([^"]+)"', review)[0]), sending="two")
    same = ("prompt", "negative_prompt", "seed", "num_frames", "width", "height", "preset", "version_id")
    made = Generation.objects.get(id=again)
    assert {name: getattr(made, name) for name in same} == {name: getattr(fox, name) for name in same}


def test_what_began_with_a_file_is_sent_again_from_its_own_page(payer: Visitor, browser: Client) -> None:
    make(browser, "a fox")
    Generation.objects.update(state=State.FAILED, inputs={"image": "inputs/x/image.png"})
    page = sheet_of(browser, Generation.objects.get())
    assert "What began with a file is sent again from its own page." in page
    assert "Send 1 clip again" not in page
