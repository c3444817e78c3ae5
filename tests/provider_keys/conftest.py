"""A team on a site that has a remote model and a pair to seal keys with, and a fake provider behind it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from django.test import Client
from pytest_django import Settings as SiteSettings

from accounts.models import User, Workspace
from billing import ledger
from catalog.gates import Audience
from catalog.models import Model
from catalog.offers import Offer, make_offer
from catalog.requests import Ask
from generation.models import Generation
from generation.provider_keys import keeping, use
from generation.provider_keys.models import ProviderKey
from generation.scheduling import dispatch
from generation.submission.submit import submit
from gpu_worker.contract import REMOTE_BYTES
from gpu_worker.lifeline import Lifeline
from gpu_worker.remote.engine import RemoteEngine
from gpu_worker.remote.own_keys import OwnKeys
from gpu_worker.remote.providers import provider_of
from gpu_worker.remote.started_jobs import StartedJobs
from gpu_worker.sealed_keys import PrivateKeys, add_private_key
from gpu_worker.settings import Settings
from gpu_worker.snapshot_files import SnapshotFiles
from gpu_worker.valkey import connect
from gpu_worker.valkey_names import REMOTE_QUEUE, WORKERS_KEY, worker_key
from gpu_worker.worker import GpuWorker
from gpu_worker.worker_status import WorkerStatus
from loremotion import queue_worker
from tests.accounts import factories as people
from tests.generation import factories
from tests.generation.test_remote_clips import SPEC
from tests.gpu_worker.conftest import environment
from tests.remote.conftest import account_with, mp4
from tests.remote.fake_api import Server

__all__ = ["mp4"]
OWN, OTHER, HOUSE = "sk-own-key-of-the-team-A1b2", "sk-its-successor-of-spring-C3d4", "sk-key-of-the-house-in-there"
PRICE, FEE = 10, 2


@dataclass
class Team:
    workspace: Workspace
    owner: User
    browser: Client

    @property
    def offer(self) -> Offer:
        """What a second of the remote model is, as the team would be told now."""
        audience = Audience(workspace_id=self.workspace.id, own_keys=use.keys_of(self.workspace.id))
        return make_offer(Ask(prompt="a kite", model="far", seconds=1), audience)

    def ask(self) -> Generation:
        return submit(workspace=self.workspace, offer=self.offer)

    def bring(self, key: str = OWN) -> ProviderKey:
        (account,) = keeping.accounts_offered()
        return keeping.add(self.workspace, account, key=key, actor=self.owner.email)

    @property
    def credits(self) -> int:
        balance = ledger.balance(account=self.workspace.id)
        return balance.available + balance.held


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def private(tmp_path: Path, settings: SiteSettings) -> PrivateKeys:
    """What opens seals; the site has the other half."""
    settings.REMOTE_KEYS_PUBLIC = add_private_key(tmp_path / "private")
    settings.OWN_KEY_PERCENT = 20
    return PrivateKeys.read(tmp_path / "private")


@pytest.fixture
def far(db: None) -> Model:
    return factories.model("far", is_default=True, **SPEC)


def team_called(name: str) -> Team:
    owner = people.person(f"owner@{name}.example")
    workspace = people.team(owner, name)
    ledger.grant(account=workspace.id, reference=f"test:{workspace.id}", amount=500, kind=ledger.LotKind.PACK)
    return Team(workspace, owner, people.browser_of(owner, workspace))


@pytest.fixture
def team(far: Model, private: PrivateKeys, valkey: redis.Redis) -> Team:
    return team_called("kites")


@pytest.fixture
def other_team(team: Team) -> Team:
    return team_called("boats")


def worker_on(connection: redis.Redis, private: PrivateKeys | None) -> None:
    pairs = private.pairs if private is not None else ()
    status = WorkerStatus(name="far-1", host="h", pid=1, device="d", budget_bytes=REMOTE_BYTES, pairs=pairs)
    connection.set(worker_key("far-1"), json.dumps(status.to_wire()), ex=60)
    connection.zadd(WORKERS_KEY, {"far-1": time.time()})


@dataclass
class Host:
    """A remote worker with an account of the house's."""

    connection: redis.Redis
    settings: Settings
    private: PrivateKeys

    def worker(self, server: Server) -> GpuWorker:
        account = account_with(server, "openai", "/v1", key=HOUSE)
        notes = StartedJobs(self.connection, SnapshotFiles(self.settings.snapshots, 0.0))
        own_keys = OwnKeys({account.name: account}, self.private)
        engine = RemoteEngine(
            {account.name: provider_of(account)}, notes, own_keys=own_keys, pause=lambda seconds: None
        )
        return GpuWorker(self.settings, engine, Lifeline(), connect(self.settings.redis_url), REMOTE_QUEUE)

    def round(self, server: Server, clip: Generation) -> Generation:
        """Hand out what waits, have it worked off, and read what is reported."""
        worker_on(self.connection, self.private)
        dispatch.fill_window()
        self.worker(server).work(burst=True, logging_level=None)
        queue_worker.work("reports", burst=True)
        clip.refresh_from_db()
        return clip


@pytest.fixture
def host(valkey: redis.Redis, tmp_path: Path, private: PrivateKeys) -> Host:
    return Host(valkey, Settings.from_environment(environment(tmp_path)), private)
