"""An upload's own Content Credentials go into the clip's where whoever asks wants that, and else are left out."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from io import BytesIO
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, Final

import pytest
import time_machine
from c2pa import Builder, C2paSignerInfo, Reader, Signer
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.utils import timezone
from PIL import Image
from pytest_django import Settings

from accounts.caller import Caller
from accounts.models import Visitor
from accounts.roles import VISITOR_MAY
from catalog.models import Model
from generation import workspace_data
from generation.models import Clip, Generation, Upload
from generation.provenance import carried, signature_service, signing
from generation.provenance.certificate import Credential
from generation.storage import files, retention
from generation.submission import uploads
from gpu_worker import sandbox
from loremotion import page_deadline
from loremotion.refusals import Unavailable
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.media_files import write_sound
from tests.provenance.conftest import Delivered, settle_signed, sign_due
from tests.provenance.test_invisible_id import reader_of
from tests.provenance.test_signing import clip_of, content

pytestmark = pytest.mark.django_db

PHOTOGRAPHER: Final = "Ann Example, 52.5 N 13.4 E"
CAPTURED: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
TYPES: Final = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried, "WALL_SECONDS", 3600.0)


@pytest.fixture
def starter(signing_site: Settings) -> Model:
    """A model that makes clips from pictures and videos, on a site that signs them."""
    return factories.model(modes=["text", "image", "extend"])


@dataclass(frozen=True)
class Camera:
    """Makes files that say who made them and of what, and which a signer stands for."""

    chain: bytes
    key: bytes

    def take(self, kind: str = "JPEG", *, of: bytes = b"", name: str = "A camera", padding: int = 0) -> bytes:
        return self.sign(self.plain(kind), TYPES[kind], of=of, name=name, padding=padding)

    @staticmethod
    def plain(kind: str = "JPEG") -> bytes:
        picture = BytesIO()
        Image.effect_noise((96, 64), 50).convert("RGB").save(picture, kind)
        return picture.getvalue()

    def sign(self, plain: bytes, media_type: str, *, name: str, of: bytes = b"", padding: int = 0) -> bytes:
        opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["negative"]}}
        made = opened if of else {"action": "c2pa.created", "digitalSourceType": CAPTURED}
        said = {
            "claim_generator_info": [{"name": name}],
            "title": "beach.jpg",
            "assertions": [
                {"label": "c2pa.actions.v2", "data": {"actions": [made]}},
                {"label": "org.example.who", "data": {"who": PHOTOGRAPHER, "more": "x" * padding}},
            ],
        }
        signed = BytesIO()
        signer = Signer.from_info(C2paSignerInfo(b"es256", self.chain, self.key, None))
        with signer, Builder.from_json(json.dumps(said)) as builder:
            if of:
                definition = {"title": "negative", "label": "negative", "relationship": "parentOf"}
                builder.add_ingredient(json.dumps(definition), "image/jpeg", BytesIO(of))
            builder.sign(signer, media_type, BytesIO(plain), signed)
        return signed.getvalue()


@pytest.fixture(scope="module")
def camera(certificates: Path) -> Camera:
    return Camera(*((certificates / name).read_bytes() for name in ("certificate.pem", "key.pem")))


class KeyServiceAway:
    """In the place of what signs: it is away so often, and then does it."""

    def __init__(self, times: int = 100) -> None:
        self.asked, self._times, self._sign = 0, times, signature_service.sign

    def __call__(self, data: bytes, credential: Credential) -> bytes:
        self.asked += 1
        if self.asked <= self._times:
            raise ConnectionError("the key service is away")
        return self._sign(data, credential)


def page_of(client: Client, generation: Generation) -> str:
    return client.get(f"/generations/{generation.id}/").content.decode()


def sent(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("beach.jpg", content)


def asked(client: Client, content: bytes, role: str = "image", **said: Any) -> Generation:
    answer = client.post("/v1/videos", {"prompt": "it comes alive", role: sent(content), **said})
    assert answer.status_code == 200, answer.content
    return Generation.objects.get(id=answer.json()["id"])


def refusal_of(client: Client, content: bytes, **said: Any) -> dict[str, Any]:
    answer = client.post("/v1/videos", {"prompt": "it comes alive", "image": sent(content), **said})
    assert answer.status_code == 422
    refused: dict[str, Any] = answer.json()
    return refused


def manifests_in(clip: bytes, media_type: str = "video/mp4") -> dict[str, Any]:
    """All that a reader finds in a signed file, which is sound."""
    with Reader(media_type, BytesIO(clip)) as reader:
        found: dict[str, Any] = json.loads(reader.json())
        assert reader.get_validation_state() in ("Valid", "Trusted"), found["validation_status"]
    return found


def ingredients_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = found["manifests"][found["active_manifest"]].get("ingredients", [])
    return listed


def makers_in(found: dict[str, Any]) -> set[str]:
    return {each["claim_generator_info"][0]["name"] for each in found["manifests"].values()}


@pytest.mark.parametrize("kind", TYPES)
def test_they_go_along_with_all_that_they_were_made_from(
    starter: Model, alice: Visitor, client_of: ClientOf, camera: Camera, delivered: Delivered, kind: str
) -> None:
    edited = camera.take(kind, of=camera.take("JPEG"), name="An editor")
    mine = asked(client_of(alice), edited, carry_credentials="true")
    assert settle_signed(delivered(mine))
    found = manifests_in(content(clip_of(mine).key))
    assert makers_in(found) == {"LoreMotion", "An editor", "A camera"}
    (named,) = ingredients_of(found)
    assert (named["title"], named["relationship"]) == ("image", "inputTo")
    assert PHOTOGRAPHER in str(found["manifests"][named["active_manifest"]])
    assert not named["validation_results"]["activeManifest"]["failure"] or {
        each["code"] for each in named["validation_results"]["activeManifest"]["failure"]
    } <= {"signingCredential.untrusted"}


def test_those_of_a_video_go_along_as_what_it_was(
    starter: Model, alice: Visitor, client_of: ClientOf, camera: Camera, delivered: Delivered, film: bytes
) -> None:
    shot = camera.sign(film, "video/mp4", name="A phone")
    mine = asked(client_of(alice), shot, "video", carry_credentials="true", mode="extend")
    assert settle_signed(delivered(mine))
    found = manifests_in(content(clip_of(mine).key))
    assert makers_in(found) == {"LoreMotion", "A phone"}


@pytest.mark.parametrize("carries", ["true", "false"])
def test_an_edit_names_what_it_changes(
    signing_site: Settings,
    alice: Visitor,
    client_of: ClientOf,
    camera: Camera,
    delivered: Delivered,
    film: bytes,
    carries: str,
) -> None:
    factories.model(family="cogvideox", modes=["text", "restyle"])
    shot = camera.sign(film, "video/mp4", name="A phone")
    edits = [asked(client_of(alice), sent, "video", carry_credentials=carries, mode="restyle") for sent in (shot, film)]
    for edit in edits:
        assert settle_signed(delivered(edit))
    first, second = (ingredients_of(manifests_in(content(clip_of(edit).key))) for edit in edits)
    assert [(each["title"], each["relationship"]) for each in (*first, *second)] == [("video", "parentOf")] * 2
    assert ("active_manifest" in first[0], "active_manifest" in second[0]) == (carries == "true", False)


def test_left_out_the_clip_says_that_there_were_some_and_nothing_of_what_they_say(
    starter: Model, alice: Visitor, client_of: ClientOf, camera: Camera, delivered: Delivered
) -> None:
    taken = camera.take()
    mine = asked(client_of(alice), taken)
    assert settle_signed(delivered(mine))
    stored = content(clip_of(mine).key)
    (named,) = ingredients_of(manifests_in(stored))
    assert (named["title"], named["relationship"]) == ("image", "inputTo")
    assert named["instance_id"] == f"sha256:{hashlib.sha256(taken).hexdigest()}"
    assert "left out" in named["description"]
    assert "active_manifest" not in named
    assert b"Ann Example" not in stored
    assert not default_storage.exists(files.credentials_key(mine.inputs["image"]))


def test_of_a_file_without_any_nothing_is_said_and_no_program_is_started(
    starter: Model, alice: Visitor, client_of: ClientOf, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = BytesIO()
    Image.new("RGB", (96, 64), "red").save(picture, "JPEG")
    monkeypatch.setattr(carried, "_archive_of", lambda *_, **__: pytest.fail("it was read"))
    mine = asked(client_of(alice), picture.getvalue(), carry_credentials="true")
    assert settle_signed(delivered(mine))
    assert ingredients_of(manifests_in(content(clip_of(mine).key))) == []


@pytest.mark.parametrize("cut", [0, 60], ids=["no manifest", "a damaged one"])
def test_what_only_looks_like_some_is_not_carried(
    starter: Model, alice: Visitor, client_of: ClientOf, camera: Camera, delivered: Delivered, cut: int
) -> None:
    picture = BytesIO()
    Image.new("RGB", (96, 64), "red").save(picture, "JPEG", comment=carried.MARK)
    damaged = camera.take()
    at = damaged.index(carried.MARK) + 8
    hostile = damaged[:at] + b"\xff" * cut + damaged[at + cut :] if cut else picture.getvalue()
    client = client_of(alice)
    mine = asked(client, hostile)
    assert settle_signed(delivered(mine))
    assert ingredients_of(manifests_in(content(clip_of(mine).key))) == []
    if cut:
        said = refusal_of(client, hostile, carry_credentials="true")
        assert "can't be read" in said["detail"]
        assert Generation.objects.count() == 1
    else:
        assert asked(client, hostile, carry_credentials="true").inputs


def test_more_than_can_go_along_is_refused_with_the_figures(
    starter: Model, alice: Visitor, client_of: ClientOf, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carried, "MOST_BYTES", 20_000)
    taken = camera.take(padding=30_000)
    assert "0.0 MB can go along" in refusal_of(client_of(alice), taken, carry_credentials="true")["detail"]
    assert not Upload.objects.exists()
    asked(client_of(alice), taken)
    assert Upload.objects.get().sent_sha256 == hashlib.sha256(taken).hexdigest()


@pytest.mark.parametrize("suffix", [".mp3", ".flac"])
def test_those_of_a_sound_go_along_too(camera: Camera, signing_site: Settings, tmp_path: Path, suffix: str) -> None:
    plain = write_sound(tmp_path / f"sound{suffix}").read_bytes()
    shot = camera.sign(plain, {".mp3": "audio/mpeg", ".flac": "audio/flac"}[suffix], name="A microphone")
    brought = carried.take_out(BytesIO(shot), carries=True)
    assert brought is not None
    assert b"A microphone" in brought.archive


def test_of_a_format_that_they_cannot_be_read_from_none_are_dropped_in_silence(signing_site: Settings) -> None:
    odd = b"BM" + bytes(64) + carried.MARK
    assert carried.take_out(BytesIO(odd), carries=False) == carried.Brought(hashlib.sha256(odd).hexdigest())
    with pytest.raises(carried.NotCarried, match="format"):
        carried.take_out(BytesIO(odd), carries=True)


def test_while_others_are_read_only_who_wants_them_carried_is_sent_away(
    camera: Camera, signing_site: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carried, "_places", BoundedSemaphore(1))
    taken = camera.take()
    with carried._places, page_deadline.within(0.0):
        assert carried.take_out(BytesIO(taken), carries=False) == carried.Brought(hashlib.sha256(taken).hexdigest())
        with pytest.raises(Unavailable):
            carried.take_out(BytesIO(taken), carries=True)


def test_a_site_that_signs_nothing_says_so(alice: Visitor, client_of: ClientOf, camera: Camera) -> None:
    factories.model(modes=["text", "image"])
    said = refusal_of(client_of(alice), camera.take(), carry_credentials="true")
    assert (said["code"], said["error"]["param"]) == ("not_signed", "carry_credentials")


def test_where_signatures_get_a_time_stamp_no_stranger_s_are_read_with_a_network_at_hand(
    starter: Model, alice: Visitor, client_of: ClientOf, camera: Camera, signing_site: Settings
) -> None:
    client, taken = client_of(alice), camera.take()
    before = asked(client, taken, carry_credentials="true")
    signing_site.C2PA_TIMESTAMP_URL = "https://stamps.example.org"
    said = refusal_of(client, taken, carry_credentials="true")
    assert (said["code"], said["error"]["param"]) == ("not_carried", "carry_credentials")
    assert 'id="credentials"' not in client.get("/").text
    form = {"prompt": "it comes alive", "model": "toy", "toy-way": "image"}
    carrying = {**form, "credentials_known": "1", "carry_credentials": "1"}
    assert "can't go along on this site" in unescape(
        client.post("/generations/", {**carrying, "image": sent(taken)}).text
    )
    assert client.post("/generations/", {**form, "image": sent(taken)}).status_code == 302
    with ExitStack() as stack:
        assert signing._ingredients(before, {"image": "0" * 64}, stack) == {}


@pytest.mark.parametrize("announced", [{}, {"bytes": -1}, {"bytes": "9"}, {"bytes": 9}])
def test_a_program_that_was_taken_over_gets_nothing_in(
    camera: Camera, signing_site: Settings, monkeypatch: pytest.MonkeyPatch, announced: dict[str, Any]
) -> None:
    monkeypatch.setattr(sandbox, "reading", reader_of(b"short", announced or {"size": 1}))
    assert carried.take_out(BytesIO(camera.take()), carries=False) is None
    with pytest.raises(carried.NotCarried):
        carried.take_out(BytesIO(camera.take()), carries=True)


def test_what_cannot_be_carried_in_the_end_is_left_out(
    starter: Model, alice: Visitor, client_of: ClientOf, camera: Camera, delivered: Delivered
) -> None:
    mine = asked(client_of(alice), camera.take(), carry_credentials="true")
    beside = files.credentials_key(mine.inputs["image"])
    default_storage.delete(beside)
    default_storage.save(beside, ContentFile(b"\x00\x00\x00\x10jumbnothing"))
    assert settle_signed(delivered(mine))
    (named,) = ingredients_of(manifests_in(content(clip_of(mine).key)))
    assert "left out" in named["description"]
    mine = Generation.objects.get(id=mine.id)
    assert carried.told_of(mine) == "unreadable"
    assert "couldn't go along, and are left out" in page_of(client_of(alice), mine)


def test_a_fault_that_passes_leaves_nothing_out(
    carrying: Generation, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = KeyServiceAway()
    with monkeypatch.context() as patch:
        patch.setattr(signature_service, "sign", away)
        assert settle_signed(delivered(carrying))
        Clip.objects.update(sign_at=timezone.now())
        sign_due()
    assert (away.asked, clip_of(carrying).signed_at) == (2, None), "no try without them"
    assert carried.told_of(carrying) == "carried"
    Clip.objects.update(sign_at=timezone.now())
    sign_due()
    assert makers_in(manifests_in(content(clip_of(carrying).key))) == {"LoreMotion", "A camera"}
    assert carried.told_of(Generation.objects.get(id=carrying.id)) == "carried"


def test_after_a_day_unsigned_it_is_tried_without_them(
    carrying: Generation, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = KeyServiceAway(times=2)
    monkeypatch.setattr(signature_service, "sign", away)
    assert settle_signed(delivered(carrying))
    Clip.objects.update(sign_at=timezone.now(), created_at=timezone.now() - signing.LEFT_OUT_AFTER)
    sign_due()
    assert makers_in(manifests_in(content(clip_of(carrying).key))) == {"LoreMotion"}
    assert carried.told_of(Generation.objects.get(id=carrying.id)) == "unreadable"


# --- who is asked, and how -------------------------------------------------------------------------------------------


def test_the_form_asks_once_there_is_something_to_be_asked(
    starter: Model, alice: Visitor, client_of: ClientOf, camera: Camera
) -> None:
    client, taken = client_of(alice), camera.take()
    assert '<div id="credentials" hidden>' in client.get("/").content.decode()
    form = {"prompt": "it comes alive", "model": "toy", "toy-way": "image"}
    asking = client.post("/generations/", {**form, "image": sent(taken)})
    assert asking.status_code == 422
    assert '<div id="credentials">' in asking.content.decode()
    assert "Choose it again" in asking.content.decode()
    assert "it comes alive" in asking.content.decode()
    assert not Generation.objects.exists()
    looked_at = client.post("/generations/", {**form, "options_of": "toy", "look": "1", "image": sent(taken)})
    assert '<div id="credentials">' in looked_at.content.decode()
    told = {**form, "credentials_known": "1"}
    assert client.post("/generations/", {**told, "image": sent(taken)}).status_code == 302
    assert not any(upload.key.endswith(".c2pa") for upload in Upload.objects.all())
    told["carry_credentials"] = "1"
    assert client.post("/generations/", {**told, "image": sent(taken), "times": "2"}).status_code == 302
    words = [client.get(f"/generations/{made.id}/").content.decode() for made in Generation.objects.all()]
    assert [sum(said in page for page in words) for said in ("are left out", "go along")] == [1, 2]
    assert sum(upload.key.endswith(".c2pa") for upload in Upload.objects.all()) == 2, "each clip has its own"


def test_a_site_that_signs_nothing_asks_nobody(
    client: Client, alice: Visitor, client_of: ClientOf, camera: Camera, db: None
) -> None:
    factories.model(modes=["text", "image"])
    browser = client_of(alice)
    assert 'id="credentials"' not in browser.get("/").content.decode()
    assert browser.post("/generations/", {"prompt": "it comes alive", "image": sent(camera.take())}).status_code == 302


def test_the_other_choice_is_another_request(
    starter: Model, alice: Visitor, client_of: ClientOf, camera: Camera
) -> None:
    client, taken = client_of(alice), camera.take()
    said: Any = {"prompt": "it comes alive", "headers": {"Idempotency-Key": "one"}}

    def code_of(**more: str) -> int:
        body = {"prompt": said["prompt"], "image": sent(taken), **more}
        return client.post("/v1/videos", body, headers=said["headers"]).status_code

    assert [code_of(), code_of(), code_of(carry_credentials="true")] == [200, 200, 422]


# --- how long they are kept ------------------------------------------------------------------------------------------


@pytest.fixture
def carrying(starter: Model, alice: Visitor, client_of: ClientOf, camera: Camera) -> Generation:
    return asked(client_of(alice), camera.take(), carry_credentials="true")


def are_kept(generation: Generation) -> bool:
    return default_storage.exists(files.credentials_key(generation.inputs["image"]))


def test_they_go_with_their_clip(carrying: Generation, delivered: Delivered) -> None:
    assert settle_signed(delivered(carrying))
    retention.sweep_uploads()
    assert are_kept(carrying)
    with time_machine.travel(datetime.now(UTC) + timedelta(days=3650), tick=False):
        retention.sweep_clips()
    assert not are_kept(carrying)
    assert not Upload.objects.exists()


def test_they_go_with_their_workspace_and_are_in_its_export(carrying: Generation, alice: Visitor) -> None:
    reader = Caller(alice.workspace, VISITOR_MAY)
    names = {each.path for each in workspace_data.export(alice.workspace, reader=reader)}
    assert f"sent/{carrying.id}/image.c2pa" in names
    with transaction.atomic():
        workspace_data.erase(alice.workspace)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=1), tick=False):
        retention.sweep_uploads()
    assert not are_kept(carrying)


def test_a_clip_that_begins_with_the_same_file_carries_them_too(
    carrying: Generation, starter: Model, alice: Visitor, client_of: ClientOf, camera: Camera
) -> None:
    (again,) = uploads.again(carrying)
    assert again.brought is not None
    assert again.brought.archive == content(files.credentials_key(carrying.inputs["image"]))
    (left_out,) = uploads.again(asked(client_of(alice), camera.take()))
    assert left_out.brought is not None
    assert (left_out.brought.archive, len(left_out.brought.sha256)) == (b"", 64)
