"""A clip's recipe leaves as JSON and comes back as the form that makes it again."""

from __future__ import annotations

import io
import json
import re
import struct
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Visitor
from catalog.models import Model
from generation import recipes
from generation.models import Generation
from loremotion.refusals import Invalid
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished


@pytest.fixture
def recipe(toy: Model, alice: Visitor, client_of: ClientOf) -> dict[str, Any]:
    made = finished(alice, prompt="a fox by the sea", negative_prompt="text", seed=77, seconds=3, size="192x128")
    answer = client_of(alice).get(f"/generations/{made.id}/recipe.json")
    assert answer["Content-Disposition"] == 'attachment; filename="a-fox-by-the-sea.recipe.json"'
    said: dict[str, Any] = answer.json()
    return said


def send(client: Client, content: Any) -> Any:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return client.post("/generations/recipe/", {"recipe": SimpleUploadedFile("r.json", text)})


def test_a_recipe_fills_the_form_and_makes_nothing(recipe: dict[str, Any], client: Client) -> None:
    factories.model("other", is_default=False)
    page = send(client, recipe).text
    assert ">a fox by the sea</textarea>" in page
    assert 'name="negative_prompt" value="text"' in page
    assert 'value="77"' in page
    assert re.search(r'name="model" value="toy"\s+checked', page)
    assert re.search(r'value="192x128"\s+checked', page)
    assert re.search(r'value="3.125"\s+checked', page)
    assert Generation.objects.count() == 1


def test_what_the_form_cannot_say_of_it_is_told(recipe: dict[str, Any], client: Client) -> None:
    page = send(client, recipe | {"steps": 5, "model_version": 9, "begins_with": ["image"]}).text
    assert re.search(r'name="steps"[^>]*value="5"', page)
    assert "was changed since" in page
    assert "Start frame has to be chosen again." in page
    assert "is not offered here" in send(client, recipe | {"model": "gone"}).text


def test_fields_that_no_recipe_has_are_refused_by_name(recipe: dict[str, Any], client: Client) -> None:
    answer = send(client, recipe | {"guidance": 7, "sampler": "x"})
    assert answer.status_code == 422
    assert "No recipe has these fields: &#x27;guidance&#x27;, &#x27;sampler&#x27;." in answer.text


NO_RECIPES: tuple[dict[str, Any], ...] = (
    {"format": "other"}, {"prompt": ""}, {"prompt": "a\x00b"}, {"seed": -1}, {"seed": True}, {"seconds": "3"},
    {"size": "<b>"}, {"steps": 1.5}, {"begins_with": "image"}, {"begins_with": [1]}, {"model": ["toy"]},
    {"prompt": "\ud800"}, {"model": "\ud800"}, {"negative_prompt": "a\ud800"}, {"begins_with": ["\udfff"]},
)  # fmt: skip


def test_what_is_no_recipe_is_refused(recipe: dict[str, Any], client: Client, subtests: pytest.Subtests) -> None:
    for change in NO_RECIPES:
        with subtests.test(change=ascii(change)):
            assert send(client, recipe | change).status_code == 422


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"[" * 100_000, b'{"seed": NaN}', b"x" * 300_000])
def test_other_files_are_refused(toy: Model, client: Client, content: bytes) -> None:
    answer = send(client, content)
    assert answer.status_code == 422
    assert "recipe" in answer.text


def test_nobody_reads_anothers_recipe(toy: Model, alice: Visitor, bob: Visitor, client_of: ClientOf) -> None:
    made = finished(alice)
    assert client_of(bob).get(f"/generations/{made.id}/recipe.json").status_code == 404


def test_a_recipe_survives_the_way_through_a_file(toy: Model, alice: Visitor) -> None:
    made = recipes.Recipe.of(
        finished(alice, prompt="naïve “fox” \ud83e\udd8a".encode("utf-16", "surrogatepass").decode("utf-16"))
    )
    assert recipes.Recipe.read(made.to_json().encode()) == made


MP4 = b"\x00\x00\x00\x10ftypisom\x00\x00\x02\x00" + b"\x00\x00\x00\x01mdat" + (20).to_bytes(8) + b"abcd"
"""Two boxes of an MP4, one with its length in eight bytes."""


def test_a_downloaded_mp4_brings_its_recipe_back(
    toy: Model, alice: Visitor, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factories, "CLIP_BYTES", MP4)
    made = finished(alice, prompt="a fox by the sea", seed=77)
    browser, address = client_of(alice), f"/generations/{made.id}/clip.mp4"
    played, answer = b"".join(browser.get(address)), browser.get(f"{address}?download")
    downloaded = b"".join(answer)
    assert played == MP4
    assert downloaded[: len(MP4)] == MP4
    assert answer["Content-Length"] == str(len(downloaded))
    assert ">a fox by the sea</textarea>" in send(browser, downloaded).text


@pytest.mark.parametrize("span", [(0, 9), (30, 45), (50, 60), (-20, None)])
def test_a_download_goes_on_where_it_broke_off_also_in_its_recipe(
    toy: Model, alice: Visitor, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch, span: tuple[int, int | None]
) -> None:
    monkeypatch.setattr(factories, "CLIP_BYTES", MP4)
    browser, address = client_of(alice), f"/generations/{finished(alice).id}/clip.mp4?download"
    whole, (first, last) = b"".join(browser.get(address)), span
    wanted = f"bytes={first}-{last}" if last is not None else f"bytes={first}"
    answer = browser.get(address, headers={"Range": wanted})
    assert answer.status_code == 206
    assert b"".join(answer) == (whole[first : last + 1] if last is not None else whole[first:])


@pytest.mark.parametrize(
    "content",
    [
        MP4,
        MP4[:8],
        MP4 + b"\x00\x00\x00\x18uuid" + b"x" * 16,
        b"\x00\x00\x00\x00ftyp",
        b"\x00\x00\x00\x08ftyp" * 2_000,
        b"{" + b" " * 300_000,
    ],
)
def test_a_file_without_a_recipe_says_so(toy: Model, client: Client, content: bytes) -> None:
    answer = send(client, content)
    assert answer.status_code == 422
    assert "recipe" in answer.text


def test_a_box_larger_than_any_file_ends_the_search() -> None:
    endless = struct.pack(">I4s", 8, b"ftyp") + struct.pack(">I4sQ", 1, b"mdat", 2**64 - 1)
    with pytest.raises(Invalid, match="has no recipe"):
        recipes.Recipe.read_file(io.BytesIO(endless))
