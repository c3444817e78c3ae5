"""Clips by the LTX API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from gpu_worker.remote.errors import FAILED, NOT_SET_UP, UNSURE, RemoteFailed
from tests.remote.conftest import Attempts, account_with, job_for
from tests.remote.fake_api import Said, Server, serving
from tests.remote.ltx.fake import FakeLtx


@pytest.fixture
def fake(mp4: bytes) -> FakeLtx:
    return FakeLtx(mp4)


@pytest.fixture
def server(fake: FakeLtx) -> Iterator[Server]:
    with serving(fake) as found:
        fake.end = {"status": "completed", "result": {"video_url": f"{found.url}/out/video.mp4"}}
        yield found


def test_a_clip_is_made(attempts: Attempts, server: Server, tmp_path: Path) -> None:
    made = attempts.make(account_with(server, "ltx"), job_for(tmp_path, "remote_ltx"))
    assert made.facts.num_frames == 8
    sent = server.asked[0]
    assert (sent.path, sent.json["resolution"], sent.json["duration"]) == ("/v2/text-to-video", "64x48", 1)
    assert server.asked[1].path == "/v2/text-to-video/job-1"


def test_a_first_frame_makes_it_another_call(attempts: Attempts, server: Server, tmp_path: Path) -> None:
    job = job_for(tmp_path, "remote_ltx", mode="image")
    attempts.make(account_with(server, "ltx"), job, image=Image.new("RGB", (64, 48)))
    assert server.asked[0].path == "/v2/image-to-video"
    assert server.asked[0].json["image_uri"].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ({"status": "failed", "error": {"type": "content_filtered_error", "message": "Not allowed"}}, "Not allowed"),
        ({"status": "completed", "result": {}}, "it made no clip"),
        ({"status": "completed"}, "it made no clip"),
    ],
)
def test_what_fails_there_fails_here(
    attempts: Attempts, server: Server, fake: FakeLtx, tmp_path: Path, end: dict[str, object], words: str
) -> None:
    fake.end = end
    with pytest.raises(RemoteFailed, match=words) as failure:
        attempts.make(account_with(server, "ltx"), job_for(tmp_path, "remote_ltx"))
    assert failure.value.code == FAILED


def test_a_start_of_which_nobody_knows_is_given_up(
    attempts: Attempts, server: Server, fake: FakeLtx, tmp_path: Path
) -> None:
    server.next = [Said(504)]
    with pytest.raises(RemoteFailed) as failure:
        attempts.make(account_with(server, "ltx"), job_for(tmp_path, "remote_ltx"))
    assert failure.value.code == UNSURE


def test_a_wrong_key_is_no_fault_of_the_persons(attempts: Attempts, server: Server, tmp_path: Path) -> None:
    with pytest.raises(RemoteFailed, match="does not take our account") as failure:
        attempts.make(account_with(server, "ltx", key="another"), job_for(tmp_path, "remote_ltx"))
    assert failure.value.code == NOT_SET_UP
