"""Characters: kept once by their pictures, shown by clips again and again, and gone with their workspace alone."""

from __future__ import annotations

import base64
import io
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from openai.types import VideoGetCharacterResponse
from PIL import Image

from accounts.caller import Caller
from accounts.models import Visitor
from catalog.models import Model
from generation.characters import keeping, workspace_data
from generation.characters.models import Character
from generation.models import Generation, Upload
from generation.moderation import gate
from generation.storage import retention
from generation.submission import characters
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_reference import complaints
from tests.generation.test_uploads import heic_file, picture_file

pytestmark = pytest.mark.django_db
REFERENCE, SECOND, THIRD = characters.REFERENCES


@pytest.fixture
def vace(db: None) -> Model:
    return factories.model(family="wan_vace", modes=["text", "reference"])


@pytest.fixture
def browser(vace: Model, alice: Visitor, client_of: ClientOf) -> Client:
    return client_of(alice)


def make(browser: Client, name: str = "Ann", pictures: int = 1, **said: Any) -> Any:
    files = {role: picture_file() for role in characters.REFERENCES[:pictures]}
    return browser.post("/v1/videos/characters", {"name": name, **files, **said})


def ask(browser: Client, path: str = "/v1/videos", key: str = "", **said: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    said = {"prompt": "she walks by the sea", **said}
    return browser.post(path, said, content_type="application/json", headers=headers)


def test_a_character_is_made_listed_renamed_and_deleted(browser: Client, alice: Visitor) -> None:
    made = make(browser, " Ann ", pictures=2)
    assert made.status_code == 200, made.content
    contract = browser.get("/v1/openapi.json").json()
    assert complaints(contract, "Character", made.json()) == []
    assert set(VideoGetCharacterResponse.model_fields) <= set(made.json()), "as OpenAI's client reads it"
    assert (made.json()["name"], made.json()["num_pictures"]) == ("Ann", 2)
    path = f"/v1/videos/characters/{made.json()['id']}"
    assert browser.get("/v1/videos/characters").json()["data"] == [made.json()] == [browser.get(path).json()]
    renamed = browser.post(path, {"name": "Anna"}, content_type="application/json")
    assert renamed.json() == {**made.json(), "name": "Anna"}
    keys = Character.objects.get().keys
    assert browser.delete(path).json()["deleted"] is True
    assert browser.get(path).status_code == 404
    retention.sweep_uploads()
    assert not any(map(default_storage.exists, keys))
    assert not Upload.objects.exists()


def test_what_is_kept_is_a_small_png_of_our_own_for_as_long_as_the_character(browser: Client) -> None:
    browser.post("/v1/videos/characters", {"name": "Ann", REFERENCE: picture_file(size=(2000, 1000))})
    (key,) = Character.objects.get().keys
    retention.sweep_uploads()
    with default_storage.open(key) as file, Image.open(file) as picture:
        assert (picture.format, picture.size) == ("PNG", (1280, 640))
    with Image.open(io.BytesIO(Character.objects.get().preview)) as preview:
        assert (preview.format, max(preview.size)) == ("JPEG", 160)
    assert Upload.objects.get().expires_at is None


@pytest.mark.parametrize("said", [{"character": "ann"}, {"characters": [{"id": None}]}, {"characters": ["Ann"]}])
def test_a_clip_shows_it_by_name_or_id_with_copies_that_stay(browser: Client, said: dict[str, Any]) -> None:
    character_id = make(browser, pictures=2).json()["id"]
    if said == {"characters": [{"id": None}]}:
        said = {"characters": [{"id": character_id}]}
    answer = ask(browser, **said)
    assert answer.status_code == 200, answer.content
    clip = Generation.objects.get()
    assert (clip.mode, list(clip.inputs)) == ("reference", [REFERENCE, SECOND])
    browser.delete(f"/v1/videos/characters/{character_id}")
    retention.sweep_uploads()
    assert all(map(default_storage.exists, clip.inputs.values()))
    assert set(Upload.objects.values_list("generation", "key")) == {(clip.id, key) for key in clip.inputs.values()}


def test_several_are_shown_together_and_by_batches_and_takes(browser: Client) -> None:
    make(browser, "Ann", pictures=2), make(browser, "Bob")
    both: dict[str, Any] = {"characters": ["Ann", "Bob"]}
    assert ask(browser, "/v1/quotes", **both).json()["mode"] == "reference"
    takes = ask(browser, **both, n=2)
    assert takes.status_code == 200, takes.content
    for take in takes.json()["data"]:
        browser.post(f"/v1/videos/{take['id']}/cancel")  # on free credits no more than three are open
    videos = [{"prompt": "a walk", "character": "Ann"}, {"prompt": "a walk", "character": "Bob"}]
    batch = browser.post("/v1/videos/batches", {"videos": videos}, content_type="application/json")
    assert batch.status_code == 200, batch.content
    counts = sorted(len(clip.inputs) for clip in Generation.objects.all())
    assert counts == [1, 2, 3, 3]
    keys = [key for clip in Generation.objects.all() for key in clip.inputs.values()]
    assert len(set(keys)) == 9
    assert all(map(default_storage.exists, keys))
    make(browser, "Cleo")
    too_many = ask(browser, characters=["Ann", "Bob", "Cleo"])
    assert (too_many.status_code, too_many.json()["code"]) == (422, "too_many_pictures")


def test_the_same_key_makes_one_clip_whatever_became_of_the_character(browser: Client) -> None:
    character_id = make(browser).json()["id"]
    first = ask(browser, key="one", character="Ann").json()
    browser.delete(f"/v1/videos/characters/{character_id}")
    again = ask(browser, key="one", character="Ann")
    assert (again.json()["id"], again["Idempotent-Replayed"]) == (first["id"], "true")
    other = ask(browser, key="one", character="Bob")
    assert other.json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(
    ("said", "code", "field"),
    [
        ({"character": "Bob"}, "no_such_character", "character"),
        ({"characters": [{"id": str(uuid4())}]}, "no_such_character", "character"),
        ({"characters": ["Ann", "ann"]}, "repeated_field", "character"),
        ({"character": "Ann", "characters": ["Ann"]}, "repeated_field", "characters"),
        ({"characters": [{"id": "x", "as": "y"}]}, "invalid_characters", "characters"),
        ({"characters": ["Ann"] * 4}, "invalid_characters", "characters"),
        ({"character": "Ann", "mode": "text"}, "takes_no_characters", "character"),
        ({"character": "Ann", "model": "plain"}, "takes_no_characters", "character"),
    ],
)
def test_what_cannot_be_shown_is_told_in_words(browser: Client, said: dict[str, Any], code: str, field: str) -> None:
    make(browser)
    factories.model("plain", is_default=False)
    for path in ("/v1/videos", "/v1/quotes"):
        refused = ask(browser, path, **said)
        assert (refused.status_code, refused.json()["code"]) == (422, code), refused.json()
        assert refused.json()["error"]["param"] == field
    assert not Generation.objects.exists()


def test_a_character_and_a_reference_picture_are_not_mixed(browser: Client) -> None:
    make(browser)
    png = "data:image/png;base64," + base64.b64encode(picture_file("PNG").read()).decode()
    refused = ask(browser, character="Ann", **{SECOND: png})
    assert (refused.status_code, refused.json()["code"]) == (422, "repeated_field")


def test_a_form_names_one_too(browser: Client) -> None:
    make(browser)
    for said in ({"character": "Ann"}, {"characters[name]": "Ann"}):
        assert browser.post("/v1/videos", {"prompt": "she walks", **said}).status_code == 200


@pytest.mark.parametrize(
    ("said", "code", "field"),
    [
        ({}, "no_pictures", REFERENCE),
        ({REFERENCE: heic_file()}, f"invalid_{REFERENCE}", REFERENCE),
        ({REFERENCE: picture_file(), "name": " "}, "invalid_name", "name"),
        ({REFERENCE: picture_file(), "name": "n" * 81}, "invalid_name", "name"),
        ({REFERENCE: picture_file(), "name": "ann"}, "name_is_taken", "name"),
        ({"video": picture_file()}, "no_videos", "video"),
        ({REFERENCE: picture_file(), "voice": "x"}, "unknown_field", "voice"),
    ],
)
def test_what_cannot_be_kept_leaves_nothing(browser: Client, said: dict[str, Any], code: str, field: str) -> None:
    make(browser)
    refused = browser.post("/v1/videos/characters", {"name": "Bob", **said})
    assert (refused.status_code // 100, refused.json()["code"]) == (4, code), refused.json()
    assert refused.json()["error"]["param"] == field
    assert (Character.objects.count(), Upload.objects.count()) == (1, 1)


def test_a_crash_while_it_is_kept_leaves_what_the_sweep_finds(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*said: Any, **named: Any) -> None:
        raise SystemExit

    monkeypatch.setattr(keeping, "keep", die)
    with pytest.raises(SystemExit):
        make(browser)
    assert not Upload.objects.exists()
    assert not Character.objects.exists()


def test_there_are_only_so_many(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "MOST_CHARACTERS", 1)
    make(browser)
    assert make(browser, "Bob").json()["code"] == "too_many_characters"


def test_its_name_is_judged_with_the_prompt_that_shows_it(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make(browser, "Dr. Fox")
    judged: list[str] = []
    real = gate.judge

    def judge(workspace: Any, *, prompt: str, negative_prompt: str) -> Any:
        judged.append(prompt)
        return real(workspace, prompt=prompt, negative_prompt=negative_prompt)

    monkeypatch.setattr(gate, "judge", judge)
    for times in (1, 2):
        judged.clear()
        assert ask(browser, character="Dr. Fox", n=times).status_code == 200
        assert any("she walks by the sea. Dr Fox mine" in prompt for prompt in judged), judged


def test_nobody_reaches_anothers(browser: Client, bob: Visitor, client_of: ClientOf) -> None:
    character_id = make(browser).json()["id"]
    stranger = client_of(bob)
    assert stranger.get("/v1/videos/characters").json()["data"] == []
    assert stranger.get(f"/v1/videos/characters/{character_id}").status_code == 404
    for said in ({"character": "Ann"}, {"characters": [{"id": character_id}]}):
        assert ask(stranger, **said).json()["code"] == "no_such_character"


def test_it_moves_with_its_workspace_is_exported_and_erased(
    browser: Client, alice: Visitor, bob: Visitor, client_of: ClientOf
) -> None:
    make(browser)
    make(client_of(bob), "ANN")
    workspace_data.move(source=alice.workspace, into=bob.workspace)
    assert sorted(Character.objects.of(bob.workspace).values_list("name", flat=True)) == ["ANN", "Ann 2"]
    reader = Caller(bob.workspace, frozenset())
    paths = {file.path for file in workspace_data.export(bob.workspace, reader=reader)}
    ids = [str(one.id) for one in Character.objects.all()]
    assert paths == {"characters.json", *(f"characters/{one}/1.png" for one in ids)}
    keys = [key for one in Character.objects.all() for key in one.keys]
    workspace_data.erase(bob.workspace)
    retention.sweep_uploads()
    assert not Character.objects.exists()
    assert not any(map(default_storage.exists, keys))


def test_showing_some_asks_the_database_as_often_however_many_there_are(browser: Client) -> None:
    ask(browser, "/v1/quotes")
    counts = []
    for names in (["Ann"], ["Ann", "Bob", "Cleo"]):
        for name in names:
            make(browser, name)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert ask(browser, "/v1/quotes", characters=names).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_the_form_offers_it_and_takes_it_where_its_way_does(browser: Client) -> None:
    character_id = make(browser).json()["id"]
    page = browser.get("/").text
    assert f'<option value="{character_id}">Ann</option>' in page
    said = {"prompt": "she walks", "model": "toy", "character": character_id}
    priced = browser.get("/generations/price/", {**said, "toy-way": "reference"})
    assert priced.json()["credits"] > 0, priced.json()
    assert browser.post("/generations/", {**said, "toy-way": "reference"}).status_code == 302
    assert browser.post("/generations/", {**said, "toy-way": "text"}).status_code == 302
    assert sorted(clip.mode for clip in Generation.objects.all()) == ["reference", "text"]


def test_its_page_makes_renames_and_deletes_one(browser: Client) -> None:
    assert browser.post("/characters/new/", {"name": "Ann", REFERENCE: picture_file()}).status_code == 302
    (one,) = Character.objects.all()
    page = browser.get("/characters/").text
    assert "data:image/jpeg;base64," in page
    refused = browser.post("/characters/new/", {"name": "Ann", REFERENCE: picture_file()})
    assert (refused.status_code, "There is a character called Ann already." in refused.text) == (409, True)
    assert browser.post(f"/characters/{one.id}/rename/", {"name": "Anna"}).status_code == 302
    assert Character.objects.get().name == "Anna"
    assert browser.post(f"/characters/{one.id}/delete/").status_code == 302
    assert "Anna is deleted." in browser.get("/characters/").text
    assert not Character.objects.exists()
