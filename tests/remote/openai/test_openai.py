"""Clips by any server with OpenAI's Videos API: made, found again, given up, and never paid for twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from gpu_worker.engine.errors import RenderStopped
from gpu_worker.leaving import HandedBack
from gpu_worker.remote.errors import FAILED, LOST, NOT_AS_ASKED, NOT_SET_UP, REFUSED, UNAVAILABLE, UNSURE, RemoteFailed
from gpu_worker.valkey_names import remote_key
from tests.media_files import write_video
from tests.remote.conftest import Attempts, account_with, job_for
from tests.remote.fake_api import Asked, Said, Server, serving
from tests.remote.openai.fake import FakeOpenAI


@pytest.fixture
def fake(mp4: bytes) -> FakeOpenAI:
    return FakeOpenAI(mp4)


@pytest.fixture
def server(fake: FakeOpenAI) -> Iterator[Server]:
    with serving(fake) as found:
        yield found


class Killed(BaseException):
    """What no code of ours catches."""


def test_a_clip_is_asked_for_waited_for_and_written_anew(
    attempts: Attempts, server: Server, fake: FakeOpenAI, tmp_path: Path
) -> None:
    made = attempts.make(account_with(server, "openai", "/v1", fields=("seed",)), job_for(tmp_path, "remote"))
    assert (made.facts.width, made.facts.height, made.facts.num_frames, made.facts.fps) == (64, 48, 8, 8.0)
    assert made.clip.read_bytes() != fake.mp4, "nothing of a provider's file reaches anybody as it is"
    assert b"their-model by Example" in made.clip.read_bytes()
    assert made.poster.read_bytes()[:2] == b"\xff\xd8"
    sent = server.asked[0].body
    for part in (b"A red kite", b"their-model", b"64x48", b'name="seconds"\r\n\r\n1\r\n', b'name="seed"'):
        assert part in sent
    assert b"negative_prompt" not in sent, "a server is sent what it knows"
    assert [each.step for each in attempts.progress if each.stage == "denoising"] == [0, 40, 80]


def test_a_first_frame_is_sent_in_the_clips_size(attempts: Attempts, server: Server, tmp_path: Path) -> None:
    job = job_for(tmp_path, "remote", mode="image")
    attempts.make(account_with(server, "openai", "/v1"), job, image=Image.new("RGB", (200, 100)))
    assert b'name="input_reference"; filename="first.png"' in server.asked[0].body


@pytest.mark.parametrize("kept", ["both", "host", "valkey"])
def test_after_a_kill_the_job_is_found_again_and_not_begun_twice(
    attempts: Attempts, server: Server, fake: FakeOpenAI, tmp_path: Path, kept: str
) -> None:
    account, job = account_with(server, "openai", "/v1"), job_for(tmp_path, "remote")
    attempts.should_stop = _after(2, Killed)
    with pytest.raises(Killed):
        attempts.make(account, job)
    if kept == "host":
        attempts.connection.delete(remote_key(job.generation_id))
    if kept == "valkey":
        attempts.host = "another"
    attempts.should_stop = lambda: False
    made = attempts.make(account, replace(job, attempt=2))
    assert made.facts.num_frames == 8
    assert len(fake.videos) == 1


def test_a_start_without_an_answer_is_given_up_rather_than_paid_for_twice(
    attempts: Attempts, server: Server, fake: FakeOpenAI, tmp_path: Path
) -> None:
    server.next = [lambda asked: (fake.start(asked), Said(0))[1]]
    with pytest.raises(RemoteFailed, match="cannot tell whether it began") as failure:
        attempts.make(account_with(server, "openai", "/v1"), job_for(tmp_path, "remote"))
    assert (failure.value.code, failure.value.is_retryable) == (UNSURE, False)
    assert len(fake.videos) == 1


def test_a_kill_during_the_start_is_given_up_rather_than_paid_for_twice(
    attempts: Attempts, server: Server, fake: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, job = account_with(server, "openai", "/v1"), job_for(tmp_path, "remote")

    def killed(*_: object) -> str:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("gpu_worker.remote.providers.openai.job_name", killed)
        with pytest.raises(Killed):
            attempts.make(account, job)
    with pytest.raises(RemoteFailed) as failure:
        attempts.make(account, replace(job, attempt=2))
    assert failure.value.code == UNSURE
    assert len(fake.videos) == 1


def test_where_starts_have_keys_one_without_an_answer_is_sent_again_under_the_same(
    attempts: Attempts, server: Server, fake: FakeOpenAI, tmp_path: Path
) -> None:
    fake.honours_keys = True
    server.next = [lambda asked: (fake.start(asked), Said(0))[1], Said(502)]
    attempts.make(account_with(server, "openai", "/v1", is_idempotent=True), job_for(tmp_path, "remote"))
    keys = {each.headers["idempotency-key"] for each in server.asked if each.path == "/v1/videos"}
    assert (len(keys), len(fake.videos)) == (1, 1)


def test_a_later_attempt_without_notes_begins_nothing_with_who_takes_no_keys(
    attempts: Attempts, server: Server, fake: FakeOpenAI, tmp_path: Path
) -> None:
    with pytest.raises(RemoteFailed) as failure:
        attempts.make(account_with(server, "openai", "/v1"), job_for(tmp_path, "remote", attempt=2))
    assert failure.value.code == UNSURE
    assert not fake.videos


def test_a_busy_server_is_asked_again_when_it_says_so(attempts: Attempts, server: Server, tmp_path: Path) -> None:
    server.next = [Said(429, {"error": {"message": "slow down"}}, headers={"Retry-After": "7"}), Said(503)]
    attempts.make(account_with(server, "openai", "/v1"), job_for(tmp_path, "remote"))
    assert attempts.pauses[:7] == [1.0] * 7


def test_who_stays_busy_is_left_with_words_and_another_attempt_may_begin(
    attempts: Attempts, server: Server, fake: FakeOpenAI, tmp_path: Path
) -> None:
    account, job = account_with(server, "openai", "/v1"), job_for(tmp_path, "remote")
    server.next = [Said(503)] * 6
    with pytest.raises(RemoteFailed, match="Example is busy") as failure:
        attempts.make(account, job)
    assert (failure.value.code, failure.value.is_retryable) == (UNAVAILABLE, True)
    attempts.make(account, replace(job, attempt=2))
    assert len(fake.videos) == 1


def test_who_cannot_be_reached_is_left_with_words(attempts: Attempts, server: Server, tmp_path: Path) -> None:
    account = account_with(server, "openai", "/v1", url="http://127.0.0.1:1/v1")
    with pytest.raises(RemoteFailed, match="Example cannot be reached") as failure:
        attempts.make(account, job_for(tmp_path, "remote"))
    assert failure.value.is_retryable


def test_an_outage_while_the_clip_is_made_is_waited_out(
    attempts: Attempts, server: Server, fake: FakeOpenAI, tmp_path: Path
) -> None:
    hiccups = [Said(500), Said(0), Said(200, b"{"), Said(200, b"[]"), Said(200, {"status": "sideways"})]
    server.next = [fake.start, *hiccups, Said(200, b"{" * 10_000)]
    attempts.make(account_with(server, "openai", "/v1"), job_for(tmp_path, "remote"))
    assert len(fake.videos) == 1


def test_a_broken_download_is_begun_anew(
    attempts: Attempts, server: Server, fake: FakeOpenAI, mp4: bytes, tmp_path: Path
) -> None:
    fake.progress = ()
    server.next = [fake.start, fake.answer, Said(200, mp4, "video/mp4", cut=100), Said(500)]
    assert attempts.make(account_with(server, "openai", "/v1"), job_for(tmp_path, "remote")).facts.num_frames == 8


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        (Said(400, {"error": {"message": "This prompt\nis not\x00 allowed."}}), REFUSED, "refused: This prompt is not"),
        (Said(401, {"error": {"message": "key sk-1234 is wrong"}}), NOT_SET_UP, "does not take our account"),
        (Said(402), NOT_SET_UP, "does not take our account"),
        (Said(404), NOT_SET_UP, "has no model 'their-model'"),
    ],
)
def test_what_is_refused_is_refused_at_once_and_in_our_words(
    attempts: Attempts, server: Server, tmp_path: Path, said: Said, code: str, words: str
) -> None:
    server.next = [said]
    with pytest.raises(RemoteFailed, match=words) as failure:
        attempts.make(account_with(server, "openai", "/v1"), job_for(tmp_path, "remote"))
    assert (failure.value.code, failure.value.is_retryable) == (code, False)
    assert "sk-1234" not in str(failure.value)
    assert len(server.asked) == 1


def test_a_clip_that_fails_there_fails_here_and_a_new_attempt_begins_another(
    attempts: Attempts, server: Server, fake: FakeOpenAI, tmp_path: Path
) -> None:
    account, job = account_with(server, "openai", "/v1"), job_for(tmp_path, "remote")
    fake.error = {"message": "Out of GPUs"}
    with pytest.raises(RemoteFailed, match="Example made no clip: Out of GPUs") as failure:
        attempts.make(account, job)
    assert failure.value.code == FAILED
    fake.error = None
    attempts.make(account, replace(job, attempt=2))
    references = [each.headers["idempotency-key"] for each in server.asked if each.path == "/v1/videos"]
    assert references == [f"{job.generation_id}-0", f"{job.generation_id}-1"]


def test_a_job_that_its_maker_does_not_know_any_more_is_lost(
    attempts: Attempts, server: Server, fake: FakeOpenAI, tmp_path: Path
) -> None:
    server.next = [fake.start, Said(404)]
    with pytest.raises(RemoteFailed) as failure:
        attempts.make(account_with(server, "openai", "/v1"), job_for(tmp_path, "remote"))
    assert failure.value.code == LOST


@pytest.mark.parametrize("lie", ["short", "small", "no video"])
def test_what_was_not_asked_for_is_not_delivered(
    attempts: Attempts, server: Server, fake: FakeOpenAI, tmp_path: Path, lie: str
) -> None:
    path = tmp_path / "lie.mp4"
    write_video(path, size=(32, 24) if lie == "small" else (64, 48), frames=3 if lie == "short" else 8)
    fake.mp4 = b"<html>" * 500 if lie == "no video" else path.read_bytes()
    with pytest.raises(RemoteFailed, match="Example sent") as failure:
        attempts.make(account_with(server, "openai", "/v1"), job_for(tmp_path, "remote"))
    assert (failure.value.code, failure.value.is_retryable) == (NOT_AS_ASKED, False)


def test_a_page_instead_of_a_clip_is_refused_by_its_kind(
    attempts: Attempts, server: Server, fake: FakeOpenAI, tmp_path: Path
) -> None:
    fake.progress = ()
    server.next = [fake.start, fake.answer, Said(200, b"<html>", "text/html")]
    with pytest.raises(RemoteFailed, match="sent no video"):
        attempts.make(account_with(server, "openai", "/v1"), job_for(tmp_path, "remote"))


@pytest.mark.parametrize(
    "address", ["http://10.0.0.7/x.mp4", "https://127.0.0.1/x.mp4", "https://[::1]/x", "file:///etc/passwd"]
)
def test_an_address_that_is_not_on_the_open_internet_is_not_fetched(
    attempts: Attempts, server: Server, fake: FakeOpenAI, tmp_path: Path, address: str
) -> None:
    fake.progress = ()
    server.next = [fake.start, fake.answer, Said(302, headers={"Location": address})]
    with pytest.raises(RemoteFailed) as failure:
        attempts.make(account_with(server, "openai", "/v1"), job_for(tmp_path, "remote"))
    assert failure.value.code == FAILED
    assert len(server.asked) == 3


def test_a_clip_that_is_not_wanted_any_more_is_stopped_there(
    attempts: Attempts, server: Server, fake: FakeOpenAI, tmp_path: Path
) -> None:
    attempts.should_stop = lambda: len(attempts.progress) > 2
    with pytest.raises(RenderStopped) as stopped:
        attempts.make(account_with(server, "openai", "/v1"), job_for(tmp_path, "remote"))
    assert fake.cancelled == ["video_0"]
    assert (stopped.value.steps_done, stopped.value.steps_total) == (40, 100)


def test_a_worker_that_leaves_lets_the_job_go_on_for_the_next(
    attempts: Attempts, server: Server, fake: FakeOpenAI, tmp_path: Path
) -> None:
    account, job = account_with(server, "openai", "/v1"), job_for(tmp_path, "remote")
    attempts.should_stop = _after(2, HandedBack)
    with pytest.raises(HandedBack):
        attempts.make(account, job)
    attempts.should_stop = lambda: False
    attempts.host = "another"
    attempts.make(account, replace(job, attempt=2))
    assert (len(fake.videos), fake.cancelled) == (1, [])


def test_a_file_is_fetched_from_where_its_server_says_that_it_lies(
    attempts: Attempts, server: Server, fake: FakeOpenAI, mp4: bytes, tmp_path: Path
) -> None:
    def moved(asked: Asked) -> Said:
        return Said(302, headers={"Location": f"{server.url}/v1/videos/video_0/content?signed=1"})

    fake.progress = ()
    server.next = [fake.start, fake.answer, moved]
    attempts.make(account_with(server, "openai", "/v1"), job_for(tmp_path, "remote"))
    assert server.asked[-1].path.endswith("?signed=1")
    assert server.asked[-1].headers["authorization"] == "Bearer a-key"


def _after(looks: int, error: type[BaseException]) -> Callable[[], bool]:
    """Raise once the job has been looked at so often."""
    count = iter(range(1, 1000))

    def asked() -> bool:
        if next(count) > looks + 1:
            raise error
        return False

    return asked
