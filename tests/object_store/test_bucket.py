"""What addresses in a bucket let others do: one thing to one file, for a while."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
import requests
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from django.core.files.base import ContentFile
from pytest_django import Settings

from generation.storage import s3
from generation.storage.s3 import S3Store, StoreUnavailable
from generation.storage.store import SignedPut
from loremotion import storage_url
from tests.object_store import swift
from tests.object_store.stores import use_bucket

KEY = "clips/0/clip.mp4"
BYTES = b"\x00\x00\x00\x18ftyp" + b"frames" * 100
DIGEST = hashlib.sha256(BYTES).hexdigest()


def signed(bucket: S3Store, body: bytes = BYTES) -> SignedPut:
    digest = hashlib.sha256(body).hexdigest()
    put = bucket.sign_put(KEY, content_type="video/mp4", size_bytes=len(body), sha256=digest)
    assert put is not None
    return put


def send(put: SignedPut, body: bytes = BYTES, headers: Mapping[str, str] | None = None, url: str = "") -> int:
    return requests.put(url or put.url, data=body, headers={**put.headers, **(headers or {})}, timeout=60).status_code


def address(bucket: S3Store, key: str = KEY, *, method: str = "GET", name: str = "", seconds: int = 60) -> str:
    signed = bucket.sign_get(key, method=method, content_type="video/mp4", download_name=name, seconds=seconds)
    assert signed is not None
    return signed


def test_what_was_announced_is_taken_and_known_by_its_digest(bucket: S3Store) -> None:
    assert not bucket.exists(KEY)
    assert send(signed(bucket)) == 200
    assert bucket.holds(KEY, size_bytes=len(BYTES), sha256=DIGEST)
    assert not bucket.holds(KEY, size_bytes=len(BYTES), sha256="0" * 64)
    assert not bucket.holds(KEY, size_bytes=len(BYTES) + 1, sha256=DIGEST)
    assert bucket.head(KEY, 8) == BYTES[:8]
    with pytest.raises(FileNotFoundError):
        bucket.head("clips/0/poster.jpg", 8)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (BYTES[:-1] + b"!", {}),
        (BYTES + b"!", {"Content-Length": str(len(BYTES) + 1)}),
        (BYTES, {"Content-Type": "text/html"}),
        (BYTES, {"x-amz-meta-sha256": "0" * 64}),
    ],
    ids=["other bytes", "more bytes", "another kind", "another note"],
)
def test_what_was_not_announced_is_refused(bucket: S3Store, body: bytes, headers: dict[str, str]) -> None:
    assert send(signed(bucket), body, headers) in (400, 403)
    assert not bucket.exists(KEY)


def test_an_address_is_good_for_its_file_and_its_method(bucket: S3Store) -> None:
    put = signed(bucket)
    assert send(put, url=put.url.replace("clip.mp4", "poster.jpg")) == 403
    assert send(put) == 200
    assert requests.get(put.url, timeout=60).status_code == 403
    assert requests.delete(address(bucket), timeout=60).status_code == 403
    assert requests.get(address(bucket).replace("clip.mp4", "poster.jpg"), timeout=60).status_code == 403
    assert not requests.get(address(bucket).partition("?")[0], timeout=60).ok


def test_players_and_downloads_are_served_in_parts_and_by_name(bucket: S3Store) -> None:
    send(signed(bucket))
    part = requests.get(address(bucket), headers={"Range": "bytes=4-7"}, timeout=60)
    assert (part.status_code, part.content, part.headers["Content-Type"]) == (206, b"ftyp", "video/mp4")
    whole = requests.get(address(bucket, name="a-red-fox.mp4"), timeout=60)
    assert whole.content == BYTES
    assert whole.headers["Content-Disposition"] == 'attachment; filename="a-red-fox.mp4"'
    assert whole.headers["Cache-Control"] == "private, max-age=60"
    head = requests.head(address(bucket, method="HEAD"), timeout=60)
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(BYTES)))


def test_the_sites_pages_may_load_it_and_those_of_others_may_not(bucket: S3Store) -> None:
    send(signed(bucket))
    assert _allowed(bucket, swift.SITE) == swift.SITE
    assert _allowed(bucket, "https://other.example") is None


def _allowed(bucket: S3Store, origin: str) -> str | None:
    answer = requests.get(address(bucket), headers={"Origin": origin}, timeout=60)
    return answer.headers.get("Access-Control-Allow-Origin")


def test_a_cdn_is_asked_in_the_buckets_place(swift_server: swift.Swift, settings: Settings) -> None:
    bucket = use_bucket(swift_server, settings, media_url="https://cdn.example")
    send(signed(bucket))
    asked = address(bucket)
    assert asked.startswith("https://cdn.example/clips-of-tests/")
    assert requests.get(asked.replace("https://cdn.example", swift_server.endpoint), timeout=60).content == BYTES


def test_a_file_is_whole_when_it_has_its_name(bucket: S3Store) -> None:
    send(signed(bucket))
    bucket.rename(KEY, "clips/1/clip.mp4")
    assert not bucket.exists(KEY)
    assert bucket.holds("clips/1/clip.mp4", size_bytes=len(BYTES), sha256=DIGEST)


def test_what_nobody_checked_on_its_way_is_read(bucket: S3Store) -> None:
    bucket.save(KEY, ContentFile(BYTES))
    assert bucket.holds(KEY, size_bytes=len(BYTES), sha256=DIGEST)
    assert not bucket.holds(KEY, size_bytes=len(BYTES), sha256="0" * 64)


@pytest.mark.parametrize("size_bytes", [len(BYTES), 9 * 1024**2], ids=["in one", "in parts"])
def test_large_files_go_in_parts_and_a_tail_is_put_behind_either(bucket: S3Store, size_bytes: int) -> None:
    body = BYTES + bytes(size_bytes - len(BYTES))
    assert bucket.save(KEY, ContentFile(body)) == KEY
    for tail in (b"first", b"second", b"second"):
        bucket.append(KEY, tail, "clips/0/recipe.mp4", sha256=DIGEST)
        with bucket.open("clips/0/recipe.mp4") as file:
            assert file.read() == body + tail
    assert bucket.size(KEY) == size_bytes


def test_a_tail_is_put_behind_another_file_anew(bucket: S3Store) -> None:
    for body in (BYTES, b"the same clip, signed"):
        bucket.save(KEY, ContentFile(body))
        bucket.append(KEY, b"tail", "clips/0/recipe.mp4", sha256=hashlib.sha256(body).hexdigest())
        with bucket.open("clips/0/recipe.mp4") as file:
            assert file.read() == body + b"tail"


def test_large_files_are_copied_in_parts_with_what_is_noted_beside_them(
    bucket: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "COPIED_AT_ONCE_BYTES", 6 * 1024**2)
    monkeypatch.setattr(s3._IN_PARTS, "multipart_threshold", 6 * 1024**2)
    monkeypatch.setattr(s3._IN_PARTS, "multipart_chunksize", 6 * 1024**2)
    body = BYTES + bytes(11 * 1024**2)
    digest = hashlib.sha256(body).hexdigest()
    bucket.put(KEY, body, content_type="video/mp4", size_bytes=len(body), sha256=digest)
    bucket.rename(KEY, "clips/1/clip.mp4")
    assert bucket._said_of("clips/1/clip.mp4")["Metadata"] == {"sha256": digest}  # type: ignore[index]
    bucket.append("clips/1/clip.mp4", b"tail", "clips/1/recipe.mp4", sha256=digest)
    with bucket.open("clips/1/recipe.mp4") as file:
        assert file.read() == body + b"tail"


def test_deleting_twice_is_deleting_once(bucket: S3Store) -> None:
    send(signed(bucket))
    bucket.delete(KEY)
    bucket.delete(KEY)
    assert not bucket.exists(KEY)
    with pytest.raises(FileNotFoundError):
        bucket.open(KEY)


def test_the_rounds_go_through_all_of_a_place(bucket: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "FILES_A_ROUND", 2)
    keys = [f"clips/{number}/clip.mp4" for number in range(5)]
    for key in (*keys, "inputs/0/image.png"):
        bucket.save(key, ContentFile(b"bytes"))
    rounds = [[found.key for found in bucket.next_found("clips")] for _ in range(4)]
    assert rounds == [keys[:2], keys[2:4], keys[4:], keys[:2]]


def test_a_store_that_refuses_our_key_is_unavailable(bucket: S3Store, settings: Settings) -> None:
    bucket.secret_key = "another"
    bucket._shared = None
    with pytest.raises(StoreUnavailable) as refused:
        bucket.exists(KEY)
    assert "403" in refused.value.cause


def unanswered(endpoint: str) -> S3Store:
    """A bucket that is waited for as briefly as can be."""
    made = storage_url.read(f"s3://clips?endpoint={endpoint}", base=Path("/")).backend()["OPTIONS"]
    bucket = S3Store(**made, access_key="key", secret_key="secret")
    bucket.client_config = bucket.client_config.merge(Config(read_timeout=0.05))
    return bucket


def test_a_store_that_is_silent_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(StoreUnavailable) as unanswered_call:
        unanswered(f"http://127.0.0.1:{silent.getsockname()[1]}").exists(KEY)
    assert "ReadTimeoutError" in unanswered_call.value.cause


def test_a_store_that_is_full_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = unanswered("http://127.0.0.1:9")
    full = AWSResponse("http://127.0.0.1:9", 507, {}, None)
    full._content = b"<Error><Code>InsufficientStorage</Code></Error>"
    bucket.client.meta.events.register("before-send.s3", lambda **_: full)
    with pytest.raises(StoreUnavailable) as refused:
        bucket.save(KEY, ContentFile(BYTES))
    assert "507 InsufficientStorage" in refused.value.cause
