"""Clips with keys that workspaces brought: the right key and no other is sent, and nobody reads it anywhere."""

from __future__ import annotations

import logging
import signal
import threading
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from gpu_worker import commands
from gpu_worker.contract import OWN_ACCOUNT, KeyTest, OwnKey, RenderJob
from gpu_worker.error_codes import OWN_KEY_REFUSED, OWN_KEY_UNOPENED
from gpu_worker.lifeline import Lifeline
from gpu_worker.remote.accounts import Account
from gpu_worker.remote.errors import NOT_SET_UP, REFUSED, RemoteFailed
from gpu_worker.remote.own_keys import OwnKeys
from gpu_worker.remote.set_up import engine_of
from gpu_worker.sealed_keys import Credentials, PrivateKeys, add_private_key, seal
from gpu_worker.settings import Settings
from gpu_worker.valkey import connect
from gpu_worker.valkey_names import REMOTE_QUEUE
from gpu_worker.worker import GpuWorker
from tests.gpu_worker.conftest import environment, finished_reports
from tests.gpu_worker.valkey_users import told, user_of
from tests.patience import PATIENCE_SECONDS
from tests.remote.conftest import Attempts, account_with, job_for
from tests.remote.fake_api import Asked, Fake, Said, Server, serving
from tests.remote.kling.fake import SECRET, FakeKling
from tests.remote.ltx.fake import FakeLtx
from tests.remote.openai.fake import FakeOpenAI
from tests.remote.test_worker import enqueue_remote
from tests.remote.veo.fake import FakeVeo

OWN = "sk-own-key-of-the-workspace"
HOUSE = "sk-key-of-the-house"


class Takes:
    """A fake that knows its caller by the workspace's key alone, where the one inside knows ``a-key``."""

    def __init__(self, inner: Fake) -> None:
        self.inner = inner

    def answer(self, asked: Asked) -> Said:
        headers = {name: text.replace("a-key", "-").replace(OWN, "a-key") for name, text in asked.headers.items()}
        return self.inner.answer(replace(asked, headers=headers))


@pytest.fixture
def public(tmp_path: Path) -> str:
    return add_private_key(tmp_path / "private")


def own_keys(account: Account, tmp_path: Path) -> OwnKeys:
    return OwnKeys({account.name: account}, PrivateKeys.read(tmp_path / "private"))


def brought(public: str, key: str = OWN, secret: str = "") -> OwnKey:
    return seal(Credentials(key, secret), public=public, key_id="key-1", account="there")


def with_own(job: RenderJob, own_key: OwnKey) -> RenderJob:
    source = f"{OWN_ACCOUNT}{job.model.source}"
    return replace(job, own_key=own_key, model=replace(job.model, source=source))


def keys_sent(server: Server) -> set[str]:
    return {asked.headers.get("authorization", "") for asked in server.asked}


def test_a_clip_is_made_with_the_workspaces_key_and_found_again_with_it(
    attempts: Attempts, tmp_path: Path, mp4: bytes, public: str
) -> None:
    fake = FakeOpenAI(mp4, progress=())
    with serving(Takes(fake)) as server:
        account = account_with(server, "openai", "/v1", key=HOUSE)
        attempts.own_keys = own_keys(account, tmp_path)
        job = RenderJob.from_wire(with_own(job_for(tmp_path, "remote"), brought(public)).to_wire())
        assert attempts.make(account, job).clip.exists()
        attempts.make(account, replace(job, attempt=2))
    assert len(fake.videos) == 1
    assert keys_sent(server) == {f"Bearer {OWN}"}


def test_both_halves_of_klings_keys_are_brought(attempts: Attempts, tmp_path: Path, mp4: bytes, public: str) -> None:
    fake = FakeKling(mp4)
    with serving(fake) as server:
        fake.address = f"{server.url}/files/clip.mp4"
        account = account_with(server, "kling", key=HOUSE, secret="another secret of more than thirty-two bytes")
        attempts.own_keys = own_keys(account, tmp_path)
        job = with_own(job_for(tmp_path, "remote_kling"), brought(public, "a-key", SECRET))
        assert attempts.make(account, job).clip.exists()
    assert len(fake.tasks) == 1


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        (Said(401, {"error": {"message": f"Wrong: {OWN}"}}), OWN_KEY_REFUSED, "own key (401)"),
        (Said(403), OWN_KEY_REFUSED, "own key (403)"),
        (Said(402), OWN_KEY_REFUSED, "own key (402)"),
        (Said(400, {"error": {"details": [{"reason": "API_KEY_INVALID"}]}}), OWN_KEY_REFUSED, "own key (400)"),
        (Said(400, {"error": {"message": f"No kites for {OWN}."}}), REFUSED, "refused: No kites for …."),
    ],
)
def test_a_refusal_is_told_without_the_key(
    attempts: Attempts, tmp_path: Path, mp4: bytes, public: str, said: Said, code: str, words: str
) -> None:
    with serving(FakeOpenAI(mp4)) as server:
        server.next = [said]
        account = account_with(server, "openai", "/v1", key=HOUSE)
        attempts.own_keys = own_keys(account, tmp_path)
        with pytest.raises(RemoteFailed) as failure:
            attempts.make(account, with_own(job_for(tmp_path, "remote"), brought(public)))
    assert (failure.value.code, failure.value.is_retryable) == (code, False)
    assert words in str(failure.value)
    assert OWN not in str(failure.value)


def test_a_host_that_cannot_open_it_leaves_it_to_others_and_takes_no_key_of_its_own(
    attempts: Attempts, tmp_path: Path, mp4: bytes, public: str
) -> None:
    with serving(FakeOpenAI(mp4)) as server:
        account = account_with(server, "openai", "/v1")
        job = with_own(job_for(tmp_path, "remote"), brought(public))
        assert "cannot open" in str(attempts.engine(account).can_hold(job))
        with pytest.raises(RemoteFailed) as failure:
            attempts.make(account, job)
        assert failure.value.code == OWN_KEY_UNOPENED
        with pytest.raises(RemoteFailed) as failure:  # as a worker reads it that knows nothing of such keys
            attempts.make(account, replace(job, own_key=None))
        assert failure.value.code == NOT_SET_UP
        attempts.own_keys = own_keys(account, tmp_path)
        assert attempts.engine(account).can_hold(job) is None
        with pytest.raises(RemoteFailed) as failure:  # it is deleted meanwhile
            attempts.make(account, replace(job, own_key=replace(brought(public), sealed="")))
        assert failure.value.code == OWN_KEY_UNOPENED
    assert server.asked == []


def fakes(mp4: bytes) -> dict[str, tuple[Any, str]]:
    return {
        "openai": (FakeOpenAI(mp4), "/v1"),
        "veo": (FakeVeo(mp4), "/v1beta"),
        "ltx": (FakeLtx(mp4), ""),
        "kling": (FakeKling(mp4), ""),
    }


FREE = {
    "openai": (Said(200, {"object": "list", "data": [{"id": "one"}]}), "it lists 1 model."),
    "veo": (Said(200, {"models": [{"name": "models/veo"}, {"name": "models/b"}]}), "it lists 2 models."),
    "ltx": (Said(404, {"error": {"message": "no such job"}}), "it answers with it."),
    "kling": (Said(200, {"code": 0, "message": "SUCCEED", "data": []}), "it shows its list of tasks."),
}


@pytest.mark.parametrize("provider", FREE)
def test_a_test_asks_for_what_costs_nothing(tmp_path: Path, mp4: bytes, public: str, provider: str) -> None:
    fake, path = fakes(mp4)[provider]
    free, words = FREE[provider]
    with serving(fake) as server:
        account = account_with(server, provider, path, key=HOUSE, secret=SECRET)
        keys = own_keys(account, tmp_path)
        server.next = [free]
        assert keys.test(brought(public, secret=SECRET), "there") == (KeyTest.WORKS, f"Example takes it: {words}")
        assert keys.test(brought(public, secret=SECRET), "there")[0] == KeyTest.REFUSED
        server.next = [Said(500)]
        assert keys.test(brought(public, secret=SECRET), "there")[0] == KeyTest.UNTOLD
        assert keys.test(replace(brought(public), id="key-2"), "there")[0] == KeyTest.UNTOLD
    assert {asked.method for asked in server.asked} == {"GET"}
    assert len(server.asked) == 3


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def everything_in(connection: redis.Redis) -> str:
    """All that Valkey holds, as text; RQ packs its jobs."""
    ask: Any = connection
    keys = ask.keys("*")
    found = list(keys)
    for key in keys:
        match ask.type(key):
            case b"hash":
                found += [part for item in ask.hgetall(key).items() for part in item]
            case b"string":
                found.append(ask.get(key))
            case b"stream":
                found += [part for _, entry in ask.xrange(key) for item in entry.items() for part in item]
    return " ".join(_unpacked(part) for part in found)


def _unpacked(part: bytes) -> str:
    with suppress(zlib.error):
        part = zlib.decompress(part)
    return part.decode(errors="replace")


def test_a_worker_tells_it_to_nobody_and_answers_tests_as_its_own_user(
    valkey: redis.Redis, tmp_path: Path, mp4: bytes, public: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    accounts = tmp_path / "accounts.toml"
    made, refused = (with_own(job_for(tmp_path, "remote"), brought(public)) for _ in range(2))
    fake = Takes(FakeOpenAI(mp4, progress=()))
    with serving(fake) as server, user_of(valkey, "worker-under-test", REMOTE_QUEUE) as url:
        accounts.write_text(
            f'[there]\nprovider = "openai"\nurl = "{server.url}/v1"\nkey = "{HOUSE}"\ntitle = "Example"'
        )
        said = {"GPU_WORKER_ACCOUNTS": str(accounts), "REMOTE_KEYS_PRIVATE": str(tmp_path / "private")}
        settings = Settings.from_environment(environment(tmp_path, REDIS_URL=url, **said))
        engine = engine_of(settings)
        worker = GpuWorker(settings, engine, Lifeline(), connect(settings.redis_url), REMOTE_QUEUE)
        assert worker.heart.status.pairs == engine.pairs == (brought(public).pair,)
        enqueue_remote(valkey, made)
        enqueue_remote(valkey, refused)
        server.next = [*[fake.answer] * 3, Said(401, {"error": {"message": f"{OWN} is wrong"}})]
        worker.work(burst=True, logging_level=None)
        message = {"command": commands.TEST_KEY, "key": brought(public).to_wire(), "account": "there"}
        server.next = [Said(403, {"error": {"message": f"{OWN} is wrong"}})]
        assert worker.on_command({**message, "number": 7, "secret": "told"})
        for thread in [thread for thread in threading.enumerate() if thread.name == "key-test"]:
            thread.join(PATIENCE_SECONDS)
        assert told(valkey, "ACL", "LOG") == []
    assert keys_sent(server) == {f"Bearer {OWN}"}
    codes = {report.error.code if report.error else "" for report in finished_reports(valkey)}
    assert codes == {"", OWN_KEY_REFUSED}
    everything = everything_in(valkey) + caplog.text
    assert "generation.reports.key_tested" in everything
    assert made.own_key is not None
    assert made.own_key.sealed in everything, "it is looked for where it would be"
    for secret in (OWN, HOUSE):
        assert secret not in everything
    for record in caplog.records:
        assert brought(public).pair not in record.getMessage()
