"""The newcomer's pages, through Django's test client."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from asgiref.sync import async_to_sync
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Visitor, Workspace
from catalog.models import Model
from catalog.offers import make_offer
from catalog.requests import Ask
from generation.models import Generation, State
from generation.scheduling import dispatch
from generation.settlement import settle
from generation.storage import serving
from generation.submission import batch
from tests.accounts import factories as accounts
from tests.generation import factories
from tests.generation.conftest import ClientOf

PROMPT = "a red circle moving right"


def test_it_works(toy: Model, client: Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "60 free credits" in page.text
    assert "11 credits" in page.text  # the price of the default, without JavaScript
    answer = client.post(reverse("generation:create"), {"prompt": PROMPT})
    generation = Generation.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == reverse("generation:detail", args=[generation.id])
    watching = client.get(answer["Location"])
    assert PROMPT in watching.text
    assert '<meta http-equiv="refresh"' in watching.text


def test_looking_makes_no_visitor(toy: Model, client: Client) -> None:
    client.get("/")
    client.get("/history/")
    assert not Visitor.objects.exists()
    assert "visitor" not in client.cookies


def test_a_bad_form_makes_no_visitor_and_keeps_what_was_typed(toy: Model, client: Client) -> None:
    answer = client.post(reverse("generation:create"), {"prompt": PROMPT, "seconds": "99"})
    assert answer.status_code == 422
    assert PROMPT in answer.text
    assert "1 to 5 seconds" in answer.text
    assert not Workspace.objects.exists()


def test_a_newcomer_who_cannot_pay_is_refused_before_anything_is_made(
    toy: Model, client: Client, settings: Any
) -> None:
    settings.FREE_DAILY_CREDITS = 1
    answer = client.post(reverse("generation:create"), {"prompt": PROMPT})
    assert answer.status_code == 402
    assert "refill" in answer.text
    assert "visitor" not in client.cookies
    assert not Workspace.objects.exists()


def test_the_cookie_survives_a_refusal_after_it_was_made(
    toy: Model, client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "refuse_sum", lambda *_: None)  # as where another request was quicker
    settings.FREE_DAILY_CREDITS = 1
    answer = client.post(reverse("generation:create"), {"prompt": PROMPT})
    assert answer.status_code == 402
    assert "refill" in answer.text
    assert client.cookies["visitor"]["httponly"]


@pytest.mark.parametrize("prompt", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "مرحبا", "🦊"])
def test_prompts_are_shown_as_text(toy: Model, alice: Visitor, client_of: ClientOf, prompt: str) -> None:
    generation = factories.submitted(alice.workspace, prompt)
    for address in ("/", "/history/", reverse("generation:detail", args=[generation.id])):
        page = client_of(alice).get(address).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page


def test_a_finished_clip_plays_downloads_and_shows_its_receipt(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    generation = finished(alice)
    browser = client_of(alice)
    page = browser.get(reverse("generation:detail", args=[generation.id])).text
    assert "<video" in page
    assert "Charged" in page
    clip = reverse("generation:clip", args=[generation.id])
    assert len(b"".join(browser.get(clip).streaming_content)) == 1_000  # type: ignore[attr-defined]
    assert "attachment" in browser.get(clip + "?download")["Content-Disposition"]
    assert browser.get(reverse("generation:poster", args=[generation.id])).status_code == 200


@pytest.mark.parametrize(
    ("asked", "status", "body", "content_range"),
    [
        ("bytes=10-13", 206, b"0123", "bytes 10-13/1000"),
        ("bytes=995-", 206, b"56789", "bytes 995-999/1000"),
        ("bytes=-4", 206, b"6789", "bytes 996-999/1000"),
        ("bytes=990-5000", 206, b"0123456789", "bytes 990-999/1000"),
        ("bytes=1000-", 416, b"", "bytes */1000"),
        ("bytes=5-2", 416, b"", "bytes */1000"),
    ],
)
def test_players_may_ask_for_ranges(
    toy: Model, alice: Visitor, client_of: ClientOf, asked: str, status: int, body: bytes, content_range: str
) -> None:
    generation = finished(alice)
    answer = client_of(alice).get(reverse("generation:clip", args=[generation.id]), headers={"Range": asked})
    assert answer.status_code == status
    assert answer["Content-Range"] == content_range
    assert (b"".join(answer.streaming_content) if status == 206 else answer.content) == body  # type: ignore[attr-defined]


def finished(visitor: Visitor, **asked: Any) -> Generation:
    generation = factories.submitted(visitor.workspace, **asked)
    dispatch.fill_window()
    factories.deliver_clip(generation)
    settle.settle(factories.report(generation))
    generation.refresh_from_db()
    assert generation.state == State.SUCCEEDED
    return generation


def test_a_clip_can_be_made_again_with_a_change(toy: Model, alice: Visitor, bob: Visitor, client_of: ClientOf) -> None:
    made = finished(alice, prompt="my fox", seed=77, seconds=3, size="192x128")
    address = reverse("generation:home") + f"?again={made.id}"
    page = client_of(alice).get(address).content.decode()
    assert ">my fox</textarea>" in page
    assert 'value="77"' in page
    assert re.search(r'value="3.125"\s+checked', page)
    assert re.search(r'value="192x128"\s+checked', page)
    assert client_of(bob).get(address).status_code == 404


def test_cancel_by_form(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    generation = factories.submitted(alice.workspace)
    browser = client_of(alice)
    answer = browser.post(reverse("generation:cancel", args=[generation.id]), follow=True)
    assert "Cancelled" in answer.text
    again = browser.post(reverse("generation:cancel", args=[generation.id]))
    assert again.status_code == 409
    assert "already finished" in again.text


def test_forms_need_their_token(toy: Model) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(reverse("generation:create"), {"prompt": PROMPT}).status_code == 403


def test_lists_cost_the_same_for_one_clip_and_for_many(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    browser = client_of(alice)
    browser.get("/history/")  # the day's allowance is found, and remembered
    counts = []
    for wanted in (1, 4):
        while Generation.objects.count() < wanted:
            finished(alice)
        with CaptureQueriesContext(connection) as queries:
            assert browser.get("/history/").status_code == 200
        counts.append(len(queries))
        with CaptureQueriesContext(connection) as queries:
            assert len(browser.get("/v1/videos").json()["data"]) == wanted
        counts.append(len(queries))
    assert counts[:2] == counts[2:]


def test_history_pages_by_key(toy: Model, alice: Visitor, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generation.pages.library.PAGE", 2)
    made = [finished(alice) for _ in range(3)]
    browser = client_of(alice)
    first = browser.get("/history/").text
    assert str(made[2].id) in first
    assert str(made[0].id) not in first
    second = browser.get(f"/history/?before={made[1].id}").text
    assert str(made[0].id) in second
    assert browser.get("/history/?before=nonsense").status_code == 404


def test_the_live_price_is_the_offers(toy: Model, client: Client) -> None:
    price = client.get(reverse("generation:price"), {"seconds": "5", "size": "192x128"}).json()
    assert price["credits"] == make_offer(Ask(prompt="x", seconds=5.0, size="192x128")).quote.credits
    refused = client.get(reverse("generation:price"), {"seconds": "99"})
    assert (refused.status_code, refused.json()["field"]) == (422, "seconds")


def test_pages_carry_a_strict_policy(toy: Model, client: Client) -> None:
    policy = client.get("/")["Content-Security-Policy"]
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy


def test_what_is_not_there_is_a_page(client: Client, db: None) -> None:
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert "Not found" in answer.text
    assert 'role="search"' not in answer.text
    for address in ("/", "/explore/", "/models/", "/pricing/", "/developers/", "/status/"):
        assert f'href="{address}"' in answer.text.split('id="main"')[1].split("<footer")[0]


def test_what_is_not_there_may_be_there_after_signing_in_and_is_found_by_its_prompt(toy: Model, alice: Visitor) -> None:
    address = "/generations/0190b3c8-7a1e-7000-8000-000000000001/?from=mail&x=1"
    page = accounts.browser_of(alice).get(address).text
    assert f'href="/account/login/?next={quote(address, safe="")}"' in page
    assert 'role="search" action="/history/"' in page
    ada = accounts.person()
    member = accounts.browser_of(ada, accounts.team(ada)).get(address).text
    assert "sign in" not in member
    assert 'href="/workspaces/">switch</a>' in member


def test_a_clip_is_sent_piece_by_piece(toy: Model, alice: Visitor) -> None:
    generation = finished(alice)
    path = Path(default_storage.path(generation.clip.key))
    path.write_bytes(b"x" * 3 * serving.CHUNK_BYTES)

    async def sent() -> list[int]:
        response = serving.serve_range(RequestFactory().get("/"), generation.clip.key, "video/mp4", reader=None)
        sizes = []
        async for piece in aiter(response):  # type: ignore[arg-type]
            sizes.append(len(piece))
            path.write_bytes(b"")  # what was not read by now cannot be sent
        return sizes

    assert sum(async_to_sync(sent)()) < 3 * serving.CHUNK_BYTES


def test_the_price_is_that_of_what_the_clip_starts_from(alice: Visitor, client_of: ClientOf, db: None) -> None:
    factories.model(modes=["text", "image", "extend"], surcharges={"image": 5_000, "extend": 5_000})
    browser = client_of(alice)
    plain = browser.get("/generations/price/").json()["credits"]
    dearer = browser.get("/generations/price/?image=given").json()["credits"]
    assert dearer > plain
    first = finished(alice)
    assert f"{dearer} credits</span>" in browser.get(f"/?video={first.id}").text
    assert browser.get(f"/generations/price/?video={first.id}").json()["credits"] == dearer


def test_a_workspace_is_sent_so_many_files_at_once(
    toy: Model, alice: Visitor, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "MOST_SENT_AT_ONCE", 2)
    address = f"/generations/{finished(alice).id}/clip.mp4"
    sent = [client_of(alice).get(address) for _ in range(2)]
    refused = client_of(alice).get(address)
    assert (refused.status_code, refused["Retry-After"]) == (429, "10")
    for answer in sent:
        assert b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert client_of(alice).get(address).status_code == 200
