"""An attempt at a clip with a fake provider, and what became of it. Nobody sleeps: pauses are noted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import redis

from gpu_worker.contract import ModelSpec, Progress, RenderJob
from gpu_worker.remote.accounts import Account
from gpu_worker.remote.clip import RemoteClip
from gpu_worker.remote.engine import RemoteEngine
from gpu_worker.remote.own_keys import OwnKeys
from gpu_worker.remote.providers import provider_of
from gpu_worker.remote.started_jobs import StartedJobs
from gpu_worker.snapshot_files import SnapshotFiles
from tests.gpu_worker.conftest import make_job
from tests.media_files import write_video
from tests.remote.fake_api import Server

MOST_PAUSES = 400
"""A fake that never ends would keep the test for ever."""


@dataclass
class Attempts:
    """Attempts at clips on one host."""

    connection: redis.Redis
    folder: Path
    pauses: list[float] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    should_stop: Callable[[], bool] = lambda: False
    host: str = "host"

    own_keys: OwnKeys | None = None

    def engine(self, account: Account) -> RemoteEngine:
        notes = StartedJobs(self.connection, SnapshotFiles(self.folder / self.host, 0.0))
        return RemoteEngine({account.name: provider_of(account)}, notes, own_keys=self.own_keys, pause=self._pause)

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        assert len(self.pauses) < MOST_PAUSES, "it waits without end"

    def make(self, account: Account, job: RenderJob, **inputs: Any) -> RemoteClip:
        folder = self.folder / f"{job.job_id}-{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        frames = self.engine(account).render_frames(
            job,
            inputs=inputs,
            folder=folder,
            on_progress=self.progress.append,
            should_stop=lambda: self.should_stop(),
        )
        return frames.write()


@pytest.fixture
def attempts(valkey: redis.Redis, tmp_path: Path) -> Attempts:
    folder = tmp_path / "attempts"
    folder.mkdir()
    return Attempts(valkey, folder)


@pytest.fixture
def mp4(tmp_path: Path) -> bytes:
    """A clip of a second, 64 by 48, with sound."""
    path = tmp_path / "provided.mp4"
    write_video(path, codec="mpeg4", size=(64, 48), frames=8, fps=8)
    return path.read_bytes()


def account_with(server: Server, provider: str, path: str = "", **changes: Any) -> Account:
    said = {"name": "there", "provider": provider, "url": server.url + path, "title": "Example", "key": "a-key"}
    return Account(**said | changes)


def job_for(folder: Path, family: str, **changes: Any) -> RenderJob:
    model = ModelSpec(slug="far", version=3, family=family, source="there/their-model")
    plain = make_job(folder, prompt="A red kite")
    return replace(plain, model=model, width=64, height=48, num_frames=8, fps=8.0, steps=1, **changes)
