"""Clips by Google's Veo: an operation that is waited for, filtered in its words, and never begun twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from gpu_worker.remote.errors import FAILED, REFUSED, UNSURE, RemoteFailed
from tests.remote.conftest import Attempts, account_with, job_for
from tests.remote.fake_api import Said, Server, serving
from tests.remote.veo.fake import FakeVeo, made


@pytest.fixture
def fake(mp4: bytes) -> FakeVeo:
    return FakeVeo(mp4)


@pytest.fixture
def server(fake: FakeVeo) -> Iterator[Server]:
    with serving(fake) as found:
        fake.result = made(f"{found.url}/v1beta/files/abc:download?alt=media")
        yield found


def test_a_clip_is_made(attempts: Attempts, server: Server, fake: FakeVeo, tmp_path: Path) -> None:
    job = job_for(tmp_path, "remote_veo", mode="image")
    clip = attempts.make(account_with(server, "veo", "/v1beta"), job, image=Image.new("RGB", (64, 48)))
    assert clip.facts.num_frames == 8
    sent = server.asked[0]
    assert sent.path == "/v1beta/models/their-model:predictLongRunning"
    assert sent.json["parameters"]["durationSeconds"] == 1
    assert sent.json["instances"][0]["image"]["mimeType"] == "image/png"
    assert server.asked[-1].path.endswith(":download?alt=media")


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"error": {"code": 3, "message": "Prompt blocked"}}, "Prompt blocked"),
        ({"response": {"generateVideoResponse": {"raiMediaFilteredReasons": ["Celebrity"]}}}, "Celebrity"),
        ({"response": {"generateVideoResponse": {"generatedSamples": []}}}, "it made no clip"),
        ({"response": "odd"}, "it made no clip"),
        ({}, "it made no clip"),
    ],
)
def test_what_it_filters_fails_in_its_words(
    attempts: Attempts, server: Server, fake: FakeVeo, tmp_path: Path, result: dict[str, object], words: str
) -> None:
    fake.result = result
    with pytest.raises(RemoteFailed, match=words) as failure:
        attempts.make(account_with(server, "veo", "/v1beta"), job_for(tmp_path, "remote_veo"))
    assert (failure.value.code, failure.value.is_retryable) == (FAILED, False)


def test_a_refused_prompt_is_refused(attempts: Attempts, server: Server, tmp_path: Path) -> None:
    server.next = [Said(400, {"error": {"code": 400, "message": "Unsafe", "status": "INVALID_ARGUMENT"}})]
    with pytest.raises(RemoteFailed, match="Example refused: Unsafe") as failure:
        attempts.make(account_with(server, "veo", "/v1beta"), job_for(tmp_path, "remote_veo"))
    assert failure.value.code == REFUSED


def test_an_operation_is_found_again_by_the_next_attempt(
    attempts: Attempts, server: Server, fake: FakeVeo, tmp_path: Path
) -> None:
    account, job = account_with(server, "veo", "/v1beta"), job_for(tmp_path, "remote_veo")

    def killed() -> bool:
        if len(attempts.progress) > 1:
            raise KeyboardInterrupt
        return False

    attempts.should_stop = killed
    with pytest.raises(KeyboardInterrupt):
        attempts.make(account, job)
    attempts.should_stop = lambda: False
    attempts.make(account, replace(job, attempt=2))
    assert fake.begun == 1


@pytest.mark.parametrize("said", [Said(0), Said(500), Said(200, {"name": "../../etc"}), Said(200, {})])
def test_a_start_of_which_nobody_knows_is_given_up(
    attempts: Attempts, server: Server, tmp_path: Path, said: Said
) -> None:
    server.next = [said]
    with pytest.raises(RemoteFailed) as failure:
        attempts.make(account_with(server, "veo", "/v1beta"), job_for(tmp_path, "remote_veo"))
    assert failure.value.code == UNSURE
    assert len(server.asked) == 1
