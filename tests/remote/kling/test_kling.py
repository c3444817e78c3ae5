"""Clips by Kling: signed for half an hour, found again by our own name of them, refused in its codes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from PIL import Image

from gpu_worker.engine.errors import RenderStopped
from gpu_worker.remote.accounts import Account
from gpu_worker.remote.errors import FAILED, NOT_SET_UP, REFUSED, UNAVAILABLE, RemoteFailed
from gpu_worker.remote.providers.kling import token
from gpu_worker.valkey_names import remote_key
from tests.remote.conftest import Attempts, account_with, job_for
from tests.remote.fake_api import Said, Server, serving
from tests.remote.kling.fake import SECRET, FakeKling


@pytest.fixture
def fake(mp4: bytes) -> FakeKling:
    return FakeKling(mp4)


@pytest.fixture
def server(fake: FakeKling) -> Iterator[Server]:
    with serving(fake) as found:
        fake.address = f"{found.url}/files/clip.mp4"
        yield found


def account(server: Server, **changes: Any) -> Account:
    return account_with(server, "kling", secret=SECRET, **changes)


def test_a_clip_is_made(attempts: Attempts, server: Server, tmp_path: Path) -> None:
    made = attempts.make(account(server), job_for(tmp_path, "remote_kling"))
    assert made.facts.num_frames == 8
    sent = server.asked[0]
    assert (sent.path, sent.json["model_name"], sent.json["duration"]) == ("/v1/videos/text2video", "their-model", "1")
    assert "image" not in sent.json


def test_a_first_frame_makes_it_another_call(attempts: Attempts, server: Server, tmp_path: Path) -> None:
    attempts.make(account(server), job_for(tmp_path, "remote_kling", mode="image"), image=Image.new("RGB", (64, 48)))
    assert server.asked[0].path == "/v1/videos/image2video"
    assert "aspect_ratio" not in server.asked[0].json


def test_a_token_is_good_for_half_an_hour() -> None:
    claims = jwt.decode(token("who", SECRET, now=1_000_000.0), SECRET, ["HS256"], options={"verify_exp": False})
    assert claims == {"iss": "who", "exp": 1_001_800, "nbf": 999_995}


def test_a_start_without_an_answer_is_found_again_by_our_name(
    attempts: Attempts, server: Server, fake: FakeKling, tmp_path: Path
) -> None:
    server.next = [lambda asked: (fake.start(asked), Said(0))[1]]
    attempts.make(account(server), job_for(tmp_path, "remote_kling"))
    assert len(fake.tasks) == 1


def test_one_that_turns_up_late_is_found_by_the_refusal_of_its_name(
    attempts: Attempts, server: Server, fake: FakeKling, tmp_path: Path
) -> None:
    """Asked for at once it is not there yet; the second start is refused, since it is by then."""
    unseen = Said(404, {"code": 1203, "message": "task not found"})
    server.next = [lambda asked: (fake.start(asked), Said(0))[1], unseen]
    attempts.make(account(server), job_for(tmp_path, "remote_kling"))
    assert len(fake.tasks) == 1


def test_without_any_notes_a_later_attempt_finds_the_task(
    attempts: Attempts, server: Server, fake: FakeKling, tmp_path: Path
) -> None:
    job = job_for(tmp_path, "remote_kling")
    attempts.make(account(server), job)
    attempts.connection.delete(remote_key(job.generation_id))
    attempts.host = "another"
    attempts.make(account(server), replace(job, attempt=2))
    assert len(fake.tasks) == 1


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (Said(400, {"code": 1301, "message": "Content security"}), REFUSED),
        (Said(200, {"code": 1301, "message": "Content security"}), REFUSED),
        (Said(401, {"code": 1002, "message": "Invalid key"}), NOT_SET_UP),
        (Said(200, {"code": 1102, "message": "Account balance not enough"}), NOT_SET_UP),
    ],
)
def test_its_refusals_are_ours(attempts: Attempts, server: Server, tmp_path: Path, said: Said, code: str) -> None:
    server.next = [said]
    with pytest.raises(RemoteFailed) as failure:
        attempts.make(account(server), job_for(tmp_path, "remote_kling"))
    assert (failure.value.code, failure.value.is_retryable) == (code, False)


def test_its_limits_are_waited_out_and_then_left(
    attempts: Attempts, server: Server, fake: FakeKling, tmp_path: Path
) -> None:
    server.next = [Said(200, {"code": 1303, "message": "parallel task over resource pack limit"})] * 6
    with pytest.raises(RemoteFailed) as failure:
        attempts.make(account(server), job_for(tmp_path, "remote_kling"))
    assert (failure.value.code, failure.value.is_retryable) == (UNAVAILABLE, True)
    assert not fake.tasks


def test_a_failed_task_says_why(attempts: Attempts, server: Server, fake: FakeKling, tmp_path: Path) -> None:
    fake.problem = "Too dark"
    with pytest.raises(RemoteFailed, match="made no clip: Too dark") as failure:
        attempts.make(account(server), job_for(tmp_path, "remote_kling"))
    assert failure.value.code == FAILED


def test_what_cannot_be_stopped_costs_its_price_once_begun(attempts: Attempts, server: Server, tmp_path: Path) -> None:
    attempts.should_stop = lambda: len(attempts.progress) > 2
    with pytest.raises(RenderStopped) as stopped:
        attempts.make(account(server), job_for(tmp_path, "remote_kling"))
    assert (stopped.value.steps_done, stopped.value.steps_total) == (100, 100)
