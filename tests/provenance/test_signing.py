"""Clips are signed as the last thing that happens to their file, and never lost over it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import uuid
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import Visitor
from generation.models import Clip, Generation, State
from generation.provenance import inspection, signing
from generation.provenance.inspection import Credentials
from generation.settlement import deletion, endings
from generation.storage import files, folder, leftovers
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.provenance.conftest import SITE, Delivered, settle_signed, sign_due

pytestmark = pytest.mark.django_db


@pytest.fixture
def request_for_a_clip(db: None) -> Generation:
    factories.model()
    return factories.submitted(factories.visitor(credits=100).workspace, prompt="a very private wish")


def content(key: str) -> bytes:
    with default_storage.open(key) as file:
        return bytes(file.read())


def credentials_in(stored: bytes) -> Credentials:
    found = inspection.inspect(BytesIO(stored)).credentials
    assert found is not None
    return found


def clip_of(generation: Generation) -> Clip:
    return Clip.objects.select_related("generation__version__model").get(generation=generation)


def test_a_finished_clip_says_that_a_model_made_it(
    signing_site: Settings,
    request_for_a_clip: Generation,
    delivered: Delivered,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        assert settle_signed(delivered(request_for_a_clip))
    clip = clip_of(request_for_a_clip)
    stored = content(clip.key)
    assert (clip.size_bytes, clip.served_sha256) == (len(stored), hashlib.sha256(stored).hexdigest())
    said = credentials_in(stored)
    assert said.is_ours
    assert said.says_a_model_made_it
    assert (said.signed_by, said.made_with, said.render_id) == (SITE, "Toy", str(request_for_a_clip.id))
    assert b"private wish" not in stored
    assert not default_storage.exists(files.key(request_for_a_clip, files.CLIP)), "the unsigned file goes"
    assert len(content(clip.key.replace(".mp4", ".c2pa"))) > 1_000


def test_without_a_certificate_clips_are_as_they_were_delivered(
    request_for_a_clip: Generation, delivered: Delivered, film: bytes
) -> None:
    assert settle_signed(delivered(request_for_a_clip))
    clip = clip_of(request_for_a_clip)
    assert (clip.signed_at, clip.sign_at) == (None, None)
    assert content(clip.key) == film


def test_what_cannot_be_signed_now_is_delivered_and_signed_later(
    signing_site: Settings, request_for_a_clip: Generation, delivered: Delivered, film: bytes
) -> None:
    key, signing_site.C2PA_PRIVATE_KEY = signing_site.C2PA_PRIVATE_KEY, "/nowhere/key.pem"
    assert settle_signed(delivered(request_for_a_clip))
    clip = clip_of(request_for_a_clip)
    assert content(clip.key) == film
    assert clip.sign_at is not None
    Clip.objects.update(sign_at=timezone.now())
    sign_due()
    assert clip_of(request_for_a_clip).sign_at is not None, "the key is still away"

    signing_site.C2PA_PRIVATE_KEY = key
    Clip.objects.update(sign_at=timezone.now())
    sign_due()
    clip = clip_of(request_for_a_clip)
    assert credentials_in(content(clip.key)).is_ours
    assert clip.served_sha256 == hashlib.sha256(content(clip.key)).hexdigest()
    assert clip.sign_at is None
    assert content(files.key(request_for_a_clip, files.CLIP)) == film, "a clip that waits may begin with it"


def test_dying_before_the_commit_loses_neither_clip_nor_signature(
    signing_site: Settings, request_for_a_clip: Generation, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = delivered(request_for_a_clip)

    class Death(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Death

    with monkeypatch.context() as patch:
        patch.setattr(endings, "wind_up", die)  # the last of its transaction, after the files have their names
        with pytest.raises(Death):
            settle_signed(report)
    request_for_a_clip.refresh_from_db()
    assert request_for_a_clip.state == State.RUNNING
    assert settle_signed(report)
    clip = clip_of(request_for_a_clip)
    assert clip.served_sha256 == hashlib.sha256(content(clip.key)).hexdigest()
    assert credentials_in(content(clip.key)).is_ours


def test_of_two_that_sign_one_clip_one_counts(
    signing_site: Settings, request_for_a_clip: Generation, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = delivered(request_for_a_clip)
    sign = signing.sign

    def overtaken(generation: Generation, sha256: str) -> signing.Signed:
        made = sign(generation, sha256)
        monkeypatch.setattr(signing, "sign", sign)
        assert settle_signed(report)
        return made

    monkeypatch.setattr(signing, "sign", overtaken)
    assert not settle_signed(report)
    clip = clip_of(request_for_a_clip)
    assert clip.served_sha256 == hashlib.sha256(content(clip.key)).hexdigest()
    names = set(default_storage.listdir(f"clips/{request_for_a_clip.id}")[1])
    assert len([name for name in names if name.startswith("signed_")]) == 2, "one clip and its manifest"


def test_a_download_with_its_recipe_is_intact(
    signing_site: Settings, delivered: Delivered, alice: Visitor, client_of: ClientOf
) -> None:
    factories.model()
    mine = factories.submitted(alice.workspace)
    settle_signed(delivered(mine))
    client: Client = client_of(alice)
    answer = client.get(f"/generations/{mine.id}/clip.mp4?download")
    downloaded = b"".join(answer)
    assert b"loremotion-recipe-1" in downloaded
    found = inspection.inspect(BytesIO(downloaded))
    assert found.credentials is not None
    assert found.credentials.is_ours
    assert found.origin is not None
    assert found.origin.model == "Toy"


def test_a_key_service_may_sign(
    signing_site: Settings, request_for_a_clip: Generation, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    signing_site.C2PA_SIGNER, key = "tests.provenance.test_signing.key_service", signing_site.C2PA_PRIVATE_KEY
    signing_site.C2PA_PRIVATE_KEY = ""
    monkeypatch.setitem(KEY_SERVICE, "key", key)
    settle_signed(delivered(request_for_a_clip))
    assert credentials_in(content(clip_of(request_for_a_clip).key)).is_ours


def test_what_a_key_service_complains_of_is_logged(
    signing_site: Settings, request_for_a_clip: Generation, delivered: Delivered, caplog: pytest.LogCaptureFixture
) -> None:
    signing_site.C2PA_SIGNER = "tests.provenance.test_signing.closed_key_service"
    settle_signed(delivered(request_for_a_clip))
    assert clip_of(request_for_a_clip).sign_at is not None
    assert "closed on Sundays" in caplog.text


KEY_SERVICE: dict[str, str] = {}


def key_service(data: bytes) -> bytes:
    with open(KEY_SERVICE["key"], "rb") as file:
        key = serialization.load_pem_private_key(file.read(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def closed_key_service(_: bytes) -> bytes:
    raise OSError("closed on Sundays")


def test_what_a_clip_was_made_from_is_named_and_keeps_its_own_manifest(
    signing_site: Settings, delivered: Delivered
) -> None:
    factories.model("vace", family="wan_vace", modes=["text", "control", "extend"], sizes=["64x48"], fps=16)
    workspace = factories.visitor(credits=500).workspace
    first = factories.submitted(workspace)
    settle_signed(delivered(first))
    second = factories.submitted(workspace)
    Generation.objects.filter(id=second.id).update(inputs={"video": clip_of(first).key}, mode="extend")
    settle_signed(delivered(second))
    stored = content(clip_of(second).key)
    assert credentials_in(stored).ingredients == ("video",)
    assert str(first.id).encode() in stored, "the first one's manifest is in the second's"
    assert b"inputTo" in stored


def test_an_edit_of_an_own_clip_has_that_for_its_parent(signing_site: Settings, delivered: Delivered) -> None:
    factories.model(family="cogvideox", modes=["text", "restyle"])
    workspace = factories.visitor(credits=500).workspace
    first = factories.submitted(workspace)
    settle_signed(delivered(first))
    second = factories.submitted(workspace)
    Generation.objects.filter(id=second.id).update(inputs={"video": clip_of(first).key}, mode="restyle")
    settle_signed(delivered(second))
    stored = content(clip_of(second).key)
    assert credentials_in(stored).is_ours
    assert str(first.id).encode() in stored
    assert b"parentOf" in stored


def test_an_edit_whose_source_has_gone_is_signed_all_the_same(signing_site: Settings, delivered: Delivered) -> None:
    factories.model(family="cogvideox", modes=["text", "restyle"])
    edit = factories.submitted(factories.visitor(credits=500).workspace)
    gone = files.key(Generation(id=uuid.uuid4()), files.CLIP)
    default_storage.save(gone, ContentFile(b"no video"))
    Generation.objects.filter(id=edit.id).update(inputs={"video": gone}, mode="restyle")
    settle_signed(delivered(edit))
    assert credentials_in(content(clip_of(edit).key)).ingredients == ("video",)


def test_what_people_sent_says_nothing_of_them_in_the_clip(signing_site: Settings, delivered: Delivered) -> None:
    factories.model("vace", family="wan_vace", modes=["text", "extend"], sizes=["64x48"], fps=16)
    workspace = factories.visitor(credits=500).workspace
    first = factories.submitted(workspace)
    settle_signed(delivered(first))
    sent = "inputs/0/video.sent"
    default_storage.save(sent, ContentFile(content(clip_of(first).key)))
    second = factories.submitted(workspace)
    Generation.objects.filter(id=second.id).update(inputs={"video": sent}, mode="extend")
    settle_signed(delivered(second))
    assert str(first.id).encode() not in content(clip_of(second).key)


def test_whoever_reads_the_clip_has_no_key(
    signing_site: Settings, request_for_a_clip: Generation, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []
    start = subprocess.Popen

    def noted(command: list[str], **more: Any) -> Any:
        given.extend([*command, json.dumps(more["env"])])
        return start(command, **more)

    monkeypatch.setattr(subprocess, "Popen", noted)
    settle_signed(delivered(request_for_a_clip))
    assert credentials_in(content(clip_of(request_for_a_clip).key)).is_ours
    secret = Path(signing_site.C2PA_PRIVATE_KEY).read_text()
    assert "BEGIN CERTIFICATE" in "".join(given)
    assert not any("PRIVATE KEY" in each or secret in each or django_settings.SECRET_KEY in each for each in given)


def test_a_file_that_takes_for_ever_is_delivered_unsigned(
    signing_site: Settings, delivered: Delivered, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its boxes cost the library quadratic time."""
    factories.model()
    hostile = factories.submitted(factories.visitor(credits=100).workspace)
    monkeypatch.setattr(signing, "WALL_SECONDS", 2.0)
    report = delivered(hostile, film + 100_000 * b"\0\0\0\x08free")
    assert settle_signed(report)
    assert clip_of(hostile).signed_at is None
    assert clip_of(hostile).sign_at is not None


def test_a_deleted_clip_leaves_no_signed_file(
    signing_site: Settings,
    request_for_a_clip: Generation,
    delivered: Delivered,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    settle_signed(delivered(request_for_a_clip))
    request_for_a_clip.refresh_from_db()
    with django_capture_on_commit_callbacks(execute=True):
        deletion.delete(request_for_a_clip)
    assert default_storage.listdir(f"clips/{request_for_a_clip.id}")[1] == []


def test_signed_files_are_no_leftovers(
    signing_site: Settings, request_for_a_clip: Generation, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle_signed(delivered(request_for_a_clip))
    monkeypatch.setattr(leftovers, "LEFT_AFTER_SECONDS", -1.0)
    monkeypatch.setattr(folder, "FOLDERS_A_ROUND", 100_000)
    leftovers.sweep_leftovers()
    assert credentials_in(content(clip_of(request_for_a_clip).key)).is_ours


def test_a_clip_whose_file_is_none_is_delivered_all_the_same(signing_site: Settings, delivered: Delivered) -> None:
    factories.model()
    broken = factories.submitted(factories.visitor(credits=100).workspace)
    delivered(broken)
    default_storage.delete(files.key(broken, files.CLIP))
    default_storage.save(files.key(broken, files.CLIP), ContentFile(factories.CLIP_BYTES))
    assert settle_signed(factories.report(broken))
    assert clip_of(broken).sign_at is not None
