"""From a submit to its receipt: the site's queue, a remote worker, a provider over HTTP, the report, the ledger."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from django.db import connection
from pytest_django import Settings as SiteSettings

from accounts.models import Visitor
from billing.models import Hold
from billing.statements import balance
from catalog.models import Model
from catalog.offers import make_offer
from catalog.requests import Ask
from generation.models import Generation, State
from generation.scheduling import dispatch
from generation.storage import files
from generation.submission.submit import submit
from gpu_worker.contract import REMOTE_BYTES
from gpu_worker.lifeline import Lifeline
from gpu_worker.remote.accounts import Account
from gpu_worker.remote.engine import RemoteEngine
from gpu_worker.remote.providers import provider_of
from gpu_worker.remote.started_jobs import StartedJobs
from gpu_worker.settings import Settings
from gpu_worker.snapshot_files import SnapshotFiles
from gpu_worker.valkey import connect
from gpu_worker.valkey_names import REMOTE_QUEUE
from gpu_worker.worker import GpuWorker
from loremotion import queue_worker
from loremotion.refusals import TooMany
from tests.generation import factories
from tests.generation.conftest import alice, bob
from tests.generation.test_remote_clips import SPEC, on
from tests.gpu_worker.conftest import environment
from tests.patience import PATIENCE_SECONDS
from tests.remote.conftest import account_with
from tests.remote.fake_api import Said, Server, serving
from tests.remote.openai.fake import FakeOpenAI

__all__ = ["alice", "bob"]
pytestmark = pytest.mark.django_db(transaction=True)
MOST_ATTEMPTS = 10
Work = Callable[..., Generation]


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def far(db: None) -> Model:
    return factories.model("far", is_default=True, **SPEC)


@pytest.fixture
def work(valkey: redis.Redis, tmp_path: Path) -> Work:
    """Hands the clip out, has a remote worker take it and the site read what is reported, until the clip has ended."""
    settings = Settings.from_environment(environment(tmp_path))

    def work(server: Server, clip: Generation, account: Account | None = None) -> Generation:
        account = account or account_with(server, "openai", "/v1")
        notes = StartedJobs(valkey, SnapshotFiles(settings.snapshots, 0.0))
        engine = RemoteEngine({account.name: provider_of(account)}, notes, pause=lambda seconds: None)
        on(valkey, "far-1", REMOTE_BYTES)
        for _ in range(MOST_ATTEMPTS):
            dispatch.fill_window()
            worker = GpuWorker(settings, engine, Lifeline(), connect(settings.redis_url), REMOTE_QUEUE)
            worker.work(burst=True, logging_level=None)
            queue_worker.work("reports", burst=True)
            clip.refresh_from_db()
            if not clip.is_open:
                return clip
        raise AssertionError(f"It is {clip.state} after {MOST_ATTEMPTS} attempts.")

    return work


@dataclass(frozen=True)
class Asked:
    """A clip that was asked for, and the credits of its workspace at that time, those it holds among them."""

    clip: Generation
    credits: int

    @property
    def gone(self) -> int:
        """Credits that it took, once none are held."""
        now = balance(account=self.clip.workspace_id)
        assert now.held == 0
        return self.credits - now.available


@pytest.fixture
def asked(far: Model, alice: Visitor) -> Asked:
    clip = factories.submitted(alice.workspace, model="far", seconds=1)
    there = balance(account=alice.workspace_id)
    assert there.held == clip.credits_quoted > 0
    return Asked(clip, there.available + there.held)


def test_a_clip_that_a_provider_made_is_delivered_and_paid_for(asked: Asked, work: Work, mp4: bytes) -> None:
    fake = FakeOpenAI(mp4)
    with serving(fake) as server:
        clip = work(server, asked.clip)
    assert (clip.state, clip.attempt, len(fake.videos)) == (State.SUCCEEDED, 1, 1)
    assert files.has_clip(clip)
    assert Hold.objects.get(id=clip.id).captured == clip.credits_quoted == asked.gone


def test_a_refusal_gives_all_back(asked: Asked, work: Work, mp4: bytes) -> None:
    with serving(FakeOpenAI(mp4)) as server:
        server.next = [Said(400, {"error": {"message": "No kites."}})]
        clip = work(server, asked.clip)
    assert (clip.state, clip.attempt) == (State.FAILED, 1)
    assert clip.error_message == "Example refused: No kites."
    assert asked.gone == 0


def test_an_outage_of_every_attempt_gives_all_back(asked: Asked, work: Work, mp4: bytes) -> None:
    with serving(FakeOpenAI(mp4)) as server:
        server.next = [Said(503)] * 500
        clip = work(server, asked.clip)
    assert clip.state == State.FAILED
    assert clip.attempt > 1, "another attempt was made"
    assert "Example is busy" in clip.error_message
    assert asked.gone == 0


def test_of_two_that_race_for_the_last_of_a_ceiling_one_is_refused(
    asked: Asked, alice: Visitor, bob: Visitor, valkey: redis.Redis, settings: SiteSettings
) -> None:
    price = asked.clip.credits_quoted
    settings.REMOTE_CREDITS_PER_DAY = 2 * price
    offer = make_offer(Ask(prompt="a fox", model="far", seconds=1))
    barrier, outcomes = threading.Barrier(2), list[str]()

    def ask(visitor: Visitor) -> None:
        try:
            barrier.wait(PATIENCE_SECONDS)
            submit(workspace=visitor.workspace, offer=offer)
            outcomes.append("made")
        except TooMany as refusal:
            outcomes.append(refusal.code)
        finally:
            connection.close()

    asking = [threading.Thread(target=ask, args=[each]) for each in (alice, bob)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(PATIENCE_SECONDS)
    assert sorted(outcomes) == ["made", "remote_ceiling_reached"]
    assert sum(balance(account=each.workspace_id).held for each in (alice, bob)) == 2 * price
    assert Generation.objects.count() == 2
