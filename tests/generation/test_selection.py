"""Several clips of the library are taken along, deleted and compared at once."""

from __future__ import annotations

import re
from datetime import timedelta
from io import BytesIO
from zipfile import ZipFile

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation
from generation.pages import chosen
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished
from tests.generation.test_remote_clips import SPEC


@pytest.fixture
def pair(toy: Model, alice: Visitor) -> list[Generation]:
    return [finished(alice, prompt="a red fox", seed=1), finished(alice, prompt="a red fox", seed=2, seconds=3)]


@pytest.fixture
def browser(alice: Visitor, client_of: ClientOf) -> Client:
    return client_of(alice)


def of(clips: list[Generation]) -> dict[str, list[str]]:
    return {"clip": [str(clip.id) for clip in clips]}


def cell(page: str, name: str) -> list[str]:
    row = page.partition(f'<th scope="row">{name}</th>')[2].partition("</tr>")[0]
    return re.findall(r"<td[^>]*>([^<]*)</td>", row)


def test_compared_clips_show_what_differs_apart_from_what_is_the_same(pair: list[Generation], browser: Client) -> None:
    page = browser.get("/history/compare/", of(pair)).text
    assert cell(page, "Seed") == ["1", "2"]
    assert cell(page, "Length") == ["2.13 s", "3.13 s"]
    assert cell(page, "Prompt") == []
    assert "<li>Prompt: a red fox</li>" in page
    assert page.count("<video") == 2


def test_compared_clips_say_who_made_them_how_long_that_took_and_under_which_licence(
    pair: list[Generation], alice: Visitor, browser: Client
) -> None:
    version = factories.model("far", is_default=False, licence="Their terms", **SPEC).current
    assert version is not None
    asked = timezone.now()
    for clip, started, finished_at, changes in (
        (pair[0], 5, 65, {}),
        (pair[1], 90, 900, {"version": version}),
    ):
        moments = {
            "started_at": asked + timedelta(seconds=started),
            "finished_at": asked + timedelta(seconds=finished_at),
        }
        Generation.objects.filter(id=clip.id).update(created_at=asked, **moments, **changes)
    page = browser.get("/history/compare/", of(pair)).text
    assert cell(page, "Made by") == ["this site", "another company"]
    assert cell(page, "Waited") == ["5 s", "90 s"]
    assert cell(page, "Made in") == ["60 s", "14 min"]
    assert cell(page, "Licence")[1] == "Their terms"


def test_two_to_four_are_compared(pair: list[Generation], browser: Client) -> None:
    assert browser.get("/history/compare/", of(pair[:1])).status_code == 422
    assert browser.get("/history/compare/").status_code == 422


def test_chosen_clips_come_as_one_zip(pair: list[Generation], browser: Client) -> None:
    answer = browser.get("/history/clips.zip", of(pair))
    with ZipFile(BytesIO(b"".join(answer))) as archive:
        assert archive.namelist() == [f"a-red-fox-{str(clip.id)[:8]}.mp4" for clip in pair]
        assert archive.read(archive.namelist()[0]) == factories.CLIP_BYTES


def test_chosen_clips_are_deleted_after_a_question(pair: list[Generation], alice: Visitor, browser: Client) -> None:
    waiting = factories.submitted(alice.workspace)
    asked = browser.get("/history/delete/", of([*pair, waiting])).text
    assert "Delete 3 clips?" in asked
    assert Generation.objects.filter(deleted_at=None).count() == 3
    answer = browser.post("/history/delete/now/", of([*pair, waiting]), follow=True).text
    assert "2 clips are deleted" in answer
    assert "1 clip is still being made" in answer
    assert list(Generation.objects.filter(deleted_at=None)) == [waiting]


@pytest.mark.parametrize("address", ["compare/", "clips.zip", "delete/"])
def test_what_is_anothers_is_not_there(pair: list[Generation], bob: Visitor, client_of: ClientOf, address: str) -> None:
    theirs = client_of(bob)
    assert theirs.get(f"/history/{address}", of(pair)).status_code == 404
    assert theirs.get(f"/history/{address}?clip=x").status_code == 404
    assert theirs.post("/history/delete/now/", of(pair)).status_code == 404


def test_choosing_takes_as_many_queries_however_many_are_chosen(
    pair: list[Generation], alice: Visitor, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = [finished(alice, prompt=f"clip {number}") for number in range(2)]
    costs = []
    for clips in (pair, [*pair, *more]):
        browser.get("/history/compare/", of(clips))
        with CaptureQueriesContext(connection) as queries:
            browser.get("/history/compare/", of(clips))
        costs.append(len(queries))
    assert costs[0] == costs[1]
    monkeypatch.setattr(chosen, "MOST", 3)
    assert browser.get("/history/clips.zip", of([*pair, *more])).status_code == 422


def test_a_clip_s_page_leads_to_those_beside_it_and_to_its_still(
    pair: list[Generation], alice: Visitor, bob: Visitor, browser: Client
) -> None:
    finished(bob, prompt="another's")
    last = finished(alice, prompt="a blue bird")
    pages = [browser.get(f"/generations/{clip.id}/").text for clip in (*pair, last)]
    ways = [re.findall(r'rel="(prev|next)" href="/generations/([^/]+)/"', page) for page in pages]
    first, second, third = (str(clip.id) for clip in (*pair, last))
    assert ways == [[("prev", second)], [("prev", third), ("next", first)], [("next", second)]]
    still = browser.get(f"/generations/{last.id}/poster.jpg?download")
    assert still["Content-Disposition"] == 'attachment; filename="a-blue-bird.jpg"'


def test_the_library_offers_it(pair: list[Generation], browser: Client) -> None:
    page = browser.get("/history/").text
    assert f'name="clip" value="{pair[0].id}"' in page
    assert 'formaction="/history/clips.zip"' in page
    assert 'name="clip"' not in browser.get("/").text
