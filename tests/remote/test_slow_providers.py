"""Providers that are slow: each is given up by the time of the call as a whole, what was begun with it is found again,
and a clip is begun and paid once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpcore
import pytest

from billing.models import Hold
from generation.models import State
from gpu_worker.deadline import Deadline, TimedOut
from gpu_worker.remote import patient_line, transport
from gpu_worker.remote.accounts import Account
from gpu_worker.remote.errors import UNSURE, RemoteFailed
from gpu_worker.remote.patient_line import Limit
from tests.remote.conftest import Attempts, account_with, job_for
from tests.remote.fake_api import SLOW, Clock, Server, serving
from tests.remote.kling.fake import SECRET, FakeKling
from tests.remote.ltx.fake import FakeLtx
from tests.remote.openai.fake import FakeOpenAI
from tests.remote.test_whole_way import Asked as AskedFor
from tests.remote.test_whole_way import Work, _signals, alice, asked, far, work
from tests.remote.veo.fake import FakeVeo, made

__all__ = ("_signals", "alice", "asked", "far", "work")


@dataclass(frozen=True)
class There:
    """A provider of one kind, on this machine."""

    server: Server
    account: Account
    fake: Any

    @property
    def begun(self) -> int:
        """Jobs that it began, each of which costs."""
        match self.fake:
            case FakeKling():
                return len(self.fake.tasks)
            case FakeOpenAI():
                return len(self.fake.videos)
        return int(self.fake.begun)

    @property
    def finds_again(self) -> bool:
        """Whether a start that was not answered is found under our name of it, or sent again under the same key."""
        return isinstance(self.fake, FakeKling) or self.account.is_idempotent


KINDS = ("kling", "ltx", "openai", "openai_with_keys", "veo")


@contextmanager
def there_is(kind: str, mp4: bytes) -> Iterator[There]:
    fake: Any
    match kind:
        case "kling":
            fake = FakeKling(mp4)
        case "ltx":
            fake = FakeLtx(mp4)
        case "veo":
            fake = FakeVeo(mp4)
        case _:
            fake = FakeOpenAI(mp4, honours_keys=kind == "openai_with_keys")
    with serving(fake) as server:
        match kind:
            case "kling":
                fake.address = f"{server.url}/files/clip.mp4"
                account = account_with(server, "kling", secret=SECRET)
            case "ltx":
                fake.end = {"status": "completed", "result": {"video_url": f"{server.url}/out/video.mp4"}}
                account = account_with(server, "ltx")
            case "veo":
                fake.result = made(f"{server.url}/v1beta/files/abc:download?alt=media")
                account = account_with(server, "veo", "/v1beta")
            case _:
                account = account_with(server, "openai", "/v1", is_idempotent=fake.honours_keys)
        yield There(server, account, fake)


@pytest.fixture(params=KINDS)
def there(request: pytest.FixtureRequest, mp4: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[There]:
    with there_is(request.param, mp4) as found:
        monkeypatch.setattr(patient_line, "_clock", found.server.clock)
        monkeypatch.setattr(patient_line, "SLICE_SECONDS", 0.01)
        yield found


@pytest.mark.parametrize("slow", SLOW)
@pytest.mark.parametrize("stage", ["look", "download"])
def test_a_slow_answer_is_given_up_and_asked_for_again(
    attempts: Attempts, there: There, tmp_path: Path, stage: str, slow: str
) -> None:
    there.server.slow = [(stage, slow)] * 2
    clip = attempts.make(there.account, job_for(tmp_path, "remote"))
    assert (clip.facts.num_frames, there.begun, there.server.slow) == (8, 1, [])


@pytest.mark.parametrize("slow", SLOW)
def test_a_start_that_is_answered_slowly_is_found_again_or_given_up_and_never_sent_twice(
    attempts: Attempts, there: There, tmp_path: Path, slow: str
) -> None:
    there.server.slow = [("start", slow)]
    job = job_for(tmp_path, "remote")
    if there.finds_again:
        assert attempts.make(there.account, job).facts.num_frames == 8
    else:
        with pytest.raises(RemoteFailed) as failure:
            attempts.make(there.account, job)
        assert failure.value.code == UNSURE
    assert there.begun == 1


def test_a_download_that_never_comes_is_another_attempts_who_finds_the_job_again(
    attempts: Attempts, there: There, tmp_path: Path
) -> None:
    job = job_for(tmp_path, "remote")
    there.server.slow = [("download", "stall")] * 6
    with pytest.raises(RemoteFailed, match="broke off the download") as failure:
        attempts.make(there.account, job)
    assert failure.value.is_retryable
    attempts.host = "another"
    assert attempts.make(there.account, replace(job, attempt=2)).facts.num_frames == 8
    assert there.begun == 1


def test_a_clip_whose_time_is_over_waits_for_no_file(attempts: Attempts, there: There, tmp_path: Path) -> None:
    """Its own time ends it in the midst of a download, also while no piece of that comes."""
    deadline = Deadline(1000.0, clock=there.server.clock)

    def is_over() -> bool:
        deadline.check()
        return False

    attempts.should_stop = is_over
    there.server.slow = [("download", "stall")] * 6
    with pytest.raises(TimedOut):
        attempts.make(there.account, job_for(tmp_path, "remote"))
    assert (len(there.server.slow), there.begun) == (5, 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("slow", ["late", "dribble_body"])
def test_it_is_paid_once_or_not_at_all(asked: AskedFor, work: Work, there: There, slow: str) -> None:
    there.server.slow = [(stage, slow) for stage in ("start", "look", "download")]
    clip = work(there.server, asked.clip, there.account)
    assert there.begun == 1
    if there.finds_again:
        assert clip.state == State.SUCCEEDED
        assert Hold.objects.get(id=clip.id).captured == clip.credits_quoted == asked.gone
    else:
        assert (clip.state, clip.error_code, asked.gone) == (State.FAILED, UNSURE, 0)


class Dribble(httpcore.NetworkStream):
    """A byte every ten seconds, and never an end."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.sent = 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.clock.seconds += 10
        self.sent += 1
        return b"x"

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.clock.seconds += 50


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(patient_line, "_clock", clock)
    return clock


def test_who_is_never_silent_is_given_up_by_the_whole(clock: Clock) -> None:
    limit, dribble = Limit(), Dribble(clock)
    line = patient_line._Line(dribble, limit)
    with limit.of(95.0):
        for _ in range(9):
            line.read(1, transport.SILENCE_SECONDS)
        with pytest.raises(httpcore.ReadTimeout):
            line.read(1, transport.SILENCE_SECONDS)
    assert line.read(1, transport.SILENCE_SECONDS) == b"x", "what is asked outside of a call has no end"


def test_who_takes_what_is_sent_slowly_is_given_up_by_the_whole(clock: Clock) -> None:
    limit = Limit()
    line = patient_line._Line(Dribble(clock), limit)
    with limit.of(transport.CALL_SECONDS), pytest.raises(httpcore.WriteTimeout):
        line.write(b"x" * 64 * 1024 * 10)


def test_who_waits_is_asked_meanwhile(clock: Clock) -> None:
    limit, questions = Limit(), list[float]()
    line = patient_line._Line(Dribble(clock), limit)
    with limit.of(900.0, lambda: questions.append(clock())):
        for _ in range(3):
            line.read(1)
    assert questions == [0, 10, 20]
