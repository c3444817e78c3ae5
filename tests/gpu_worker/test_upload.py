"""Delivering finished files, to folders and over HTTP."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_worker import addresses
from gpu_worker.upload import Uploader, UploadFailed
from tests.gpu_worker.file_server import FileServer, serving


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as running:
        yield running


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "made.mp4"
    path.write_bytes(os.urandom(3 * 1024 * 1024 + 17))
    return path


def put(clip: Path, address: str, attempts: int = 3) -> int:
    """Deliver ``clip``; how many pieces were sent."""
    pieces: list[None] = []
    with addresses.client() as client:
        Uploader(client, attempts, pause=lambda seconds: None).put(
            clip, address, "video/mp4", lambda: pieces.append(None)
        )
    return len(pieces)


def test_it_works_with_a_folder_that_is_not_there_yet(clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "media" / "ä b" / "clip.mp4"

    assert put(clip, target.as_uri()) == 4
    assert target.read_bytes() == clip.read_bytes()
    assert os.listdir(target.parent) == ["clip.mp4"]


def test_a_second_delivery_replaces_the_first_whole(clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "clip.mp4"
    target.write_bytes(b"older")
    with target.open("rb") as reader:
        put(clip, target.as_uri())
        put(clip, target.as_uri())
        assert reader.read() == b"older"  # who has it open keeps the old file
    assert target.read_bytes() == clip.read_bytes()


def test_a_folder_that_cannot_be_written_is_a_clear_failure_without_remains(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UploadFailed, match="cannot be written: File exists"):
        put(clip, (tmp_path / "file" / "clip.mp4").as_uri())


def test_it_works_over_http_with_an_exact_length(clip: Path, server: FileServer) -> None:
    put(clip, server.address("/clip.mp4?signature=secret"))

    assert server.files["/clip.mp4?signature=secret"] == clip.read_bytes()
    headers = server.headers["/clip.mp4?signature=secret"]
    assert (headers["Content-Length"], headers["Content-Type"]) == (str(clip.stat().st_size), "video/mp4")
    assert "Transfer-Encoding" not in headers


@pytest.mark.parametrize("hiccup", [500, 503, 429, 408, 0])
def test_a_hiccup_is_tried_again_from_the_beginning(clip: Path, server: FileServer, hiccup: int) -> None:
    server.answers = [hiccup, hiccup]
    put(clip, server.address("/clip.mp4"))
    assert server.files["/clip.mp4"] == clip.read_bytes()
    assert len(server.requests) == 3


def test_hiccups_without_end_are_reported_without_the_signature(clip: Path, server: FileServer) -> None:
    server.answers = [503] * 3
    with pytest.raises(UploadFailed, match=r"http://127.0.0.1/…: the server answered 503, 3 times") as failure:
        put(clip, server.address("/files/signed-token?signature=secret"))
    assert failure.value.is_retryable
    assert not {"signed-token", "secret"} & set(re.split(r"[^a-z-]", str(failure.value)))


@pytest.mark.parametrize(("status", "is_retryable"), [(403, True), (404, False), (413, False), (302, False)])
def test_a_refusal_is_final_for_this_attempt(clip: Path, server: FileServer, status: int, is_retryable: bool) -> None:
    server.answers = [status]
    with pytest.raises(UploadFailed, match=f"answered {status}") as failure:
        put(clip, server.address("/clip.mp4"))
    assert failure.value.is_retryable is is_retryable
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "address", ["ftp://host/clip.mp4", "clip.mp4", "file://other-host/clip.mp4", "s3://bucket/clip"]
)
def test_an_address_that_a_worker_cannot_use_is_named(clip: Path, address: str) -> None:
    with pytest.raises(UploadFailed, match="is no address that a worker can use"):
        put(clip, address)


def test_pauses_grow_and_are_bounded() -> None:
    pauses: list[float] = []

    def fail() -> None:
        raise addresses.Hiccup("no")

    with pytest.raises(addresses.TransferFailed):
        addresses.persist(fail, 12, pauses.append)
    assert len(pauses) == 11
    assert all(0.25 <= pause <= 8 for pause in pauses)
    assert pauses[0] < 0.6 < pauses[-1]
