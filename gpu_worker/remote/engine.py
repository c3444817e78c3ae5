"""The engine of a remote worker: where a GPU worker's renders, this one asks a provider and waits.

The shell around it is the same, so jobs, leases, reports, uploads and commands are too. What is its own is that a job
outlives the process that began it (``gpu_worker.remote.attempt``).
"""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from PIL import Image

from gpu_worker.contract import REMOTE_BYTES, KeyTest, ModelSpec, OwnKey, Progress, RenderJob
from gpu_worker.families.pictures import fit
from gpu_worker.remote.attempt import RemoteAttempt
from gpu_worker.remote.clip import RemoteFrames
from gpu_worker.remote.errors import (
    NOT_SET_UP,
    RemoteFailed,
)
from gpu_worker.remote.own_keys import OwnKeys, account_of
from gpu_worker.remote.provider import Ask, Provider
from gpu_worker.remote.started_jobs import StartedJobs
from gpu_worker.snapshot_files import SnapshotFiles
from gpu_worker.worker_status import CardStatus, ResidentComponent

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 5.0
"""Between two looks at a job, where the host's settings say nothing of the account."""
_SLICE_SECONDS: Final = 1.0
"""How long it waits without asking whether the clip is still wanted."""


@dataclass(frozen=True, slots=True)
class RemoteStatus:
    budget_bytes: int = REMOTE_BYTES
    used_bytes: int = 0
    residents: tuple[ResidentComponent, ...] = ()
    counters: Mapping[str, float] = field(default_factory=dict)
    cards: tuple[CardStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoteDevice:
    name: str
    driver_version: str = ""


class RemoteEngine:
    """Makes clips with the accounts of this host."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        started: StartedJobs,
        *,
        own_keys: OwnKeys | None = None,
        poll_seconds: Mapping[str, float] | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """
        Args:
            providers: by the name of the account.
            own_keys: what it can do with keys that workspaces brought; None: nothing.
            pause: waits for so many seconds.
        """
        self.upcoming: Sequence[RenderJob] = ()
        self.device = RemoteDevice(f"Remote: {', '.join(sorted(providers))}"[:200])
        self._providers = providers
        self._started = started
        self._own_keys = own_keys or OwnKeys()
        self._poll_seconds = poll_seconds or {}
        self._pause = pause

    # --- what the worker asks ------------------------------------------------------------------------------------

    def status(self) -> RemoteStatus:
        return RemoteStatus()

    def loading_seconds(self, model: ModelSpec) -> float | None:
        return 0.0

    def can_hold(self, job: RenderJob) -> str | None:
        account, _ = account_of(job)
        if account not in self._providers:
            return f"This worker has no account {account!r}."
        if job.own_key is not None and job.own_key.pair not in self.pairs:
            return f"This worker cannot open keys of the pair {job.own_key.pair!r}."
        return None

    @property
    def pairs(self) -> tuple[str, ...]:
        """Of which it can open what is sealed."""
        return self._own_keys.pairs

    def test_key(self, own_key: OwnKey, account: str) -> tuple[KeyTest, str]:
        """Say whether the provider takes a key. From any thread."""
        return self._own_keys.test(own_key, account)

    def preload(self, model: ModelSpec) -> None:
        """There is nothing to load."""

    def evict(self, key: str) -> bool:
        return False

    def render_frames(
        self,
        job: RenderJob,
        *,
        inputs: Mapping[str, Any],
        folder: Path,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
        snapshots: SnapshotFiles | None = None,
    ) -> RemoteFrames:
        """Have the provider make the clip, and fetch its file.

        Raises:
            RemoteFailed: it made none.
            RenderStopped: the clip is not wanted any more.
        """
        account, model = account_of(job)
        provider = self._providers.get(account)
        if provider is None or not model:
            raise RemoteFailed(NOT_SET_UP, f"No account {account!r} is set up for this model.")
        ask = Ask.of(job, model=model, image_png=_png(inputs.get("image"), job))
        attempt = partial(
            RemoteAttempt,
            job=job,
            account=account,
            ask=ask,
            folder=folder,
            on_progress=on_progress,
            should_stop=should_stop,
            started=self._started,
            wait=self._wait,
            poll_seconds=self._poll_seconds.get(account, POLL_SECONDS),
        )
        if job.own_key is None:
            return attempt(provider=provider).run()
        opened = self._own_keys.open(job.own_key, account)
        try:
            return attempt(provider=opened.provider).run()
        except RemoteFailed as problem:
            raise opened.as_own(problem) from None  # what came before it may repeat the key

    def _wait(self, seconds: float, meanwhile: Callable[[], None]) -> None:
        """Wait, and call ``meanwhile`` at least every second."""
        left = seconds
        while left > 0:
            meanwhile()
            self._pause(min(left, _SLICE_SECONDS))
            left -= _SLICE_SECONDS
        meanwhile()


def _png(picture: Image.Image | None, job: RenderJob) -> bytes | None:
    """Return the first frame as the provider gets it: of the clip's size, and nothing of the person's file."""
    if picture is None:
        return None
    written = io.BytesIO()
    fit(picture, job).save(written, "PNG")
    return written.getvalue()
