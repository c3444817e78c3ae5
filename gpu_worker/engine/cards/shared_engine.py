"""The engine of a worker with several cards: as one of one card, and each clip that can be is made on all of them."""

from __future__ import annotations

import logging
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from gpu_worker.contract import ModelSpec, Progress, RenderJob
from gpu_worker.engine.cards.followers import Followers
from gpu_worker.engine.cards.group import CardGroup, connect
from gpu_worker.engine.cards.inputs_file import write_inputs
from gpu_worker.engine.cards.shared_render import CardsLost, NotShared, SharedRender, refusal, refusal_of_row
from gpu_worker.engine.engine import Engine
from gpu_worker.engine.engine_status import EngineStatus
from gpu_worker.engine.events import log_event
from gpu_worker.engine.memory.devices import Device
from gpu_worker.engine.video.rendered import RenderedFrames
from gpu_worker.snapshot_files import SnapshotFiles
from gpu_worker.worker_status import CardStatus

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cards:
    """The cards of one worker, as one device: what it takes for a clip is learned apart from that of one card."""

    name: str
    driver_version: str


class SharedEngine:
    """A ``RenderEngine`` on the first of several cards, whose processes it starts. What does not fit on one card, or
    cannot be shared, is made as on one."""

    def __init__(self, *, device: Device, others: Sequence[str], models: Path, cache: Path, policy: str) -> None:
        """Start a process for each of ``others``, which are named as in ``GPU_WORKER_DEVICE``, and wait for them.

        Raises:
            RuntimeError: they do not start, or do not find each other.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="loremotion-cards-")
        folder = Path(self._folder.name)
        self._followers = Followers(others, folder, [str(models), str(cache), policy])
        try:
            size = len(others) + 1
            self._followers.wait_until_started()
            self._group: CardGroup = connect(folder, rank=0, size=size, device=device.torch_device)
        except BaseException as problem:
            self._followers.end()
            if isinstance(problem, CardsLost | TimeoutError):
                raise RuntimeError(f"GPU_WORKER_CARDS: {problem}; its log says why") from problem
            raise
        self._engine = Engine(device=device, models=models, cache=cache, policy=policy)
        self._is_rendering = False
        self._part: SharedRender | None = None
        self.device = Cards(f"{size} × {device.name}", device.driver_version)

    @property
    def processes(self) -> Sequence[subprocess.Popen[bytes]]:
        """Those of the other cards."""
        return self._followers.processes

    @property
    def upcoming(self) -> Sequence[RenderJob]:
        return self._engine.upcoming

    @upcoming.setter
    def upcoming(self, jobs: Sequence[RenderJob]) -> None:
        self._engine.upcoming = jobs

    def render_frames(
        self,
        job: RenderJob,
        *,
        inputs: Mapping[str, Any],
        folder: Path,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
        snapshots: SnapshotFiles | None = None,
    ) -> RenderedFrames:
        """As ``Engine.render_frames``.

        Raises:
            CardsLost: the process of another card has ended; this one has to end too.
        """

        def render(part: SharedRender | None) -> RenderedFrames:
            self._is_rendering, self._part = True, part
            try:
                return self._engine.render_frames(
                    job,
                    inputs=inputs,
                    folder=folder,
                    on_progress=on_progress,
                    should_stop=should_stop,
                    snapshots=snapshots,
                    part=part,
                )
            finally:
                self._is_rendering, self._part = False, None

        if problem := refusal(job, self._group.size):
            log_event(log, "one card", why=problem)
            return render(None)
        part = SharedRender(self._group, _Decision(self._followers, should_stop))
        self._followers.begin(_task(job, inputs, folder, snapshots))
        try:
            return render(part)
        except CardsLost:
            self._followers.end()
            raise
        finally:
            part.close()

    def close(self) -> None:
        """End the processes of the other cards."""
        self._followers.end()
        torch.distributed.destroy_process_group()
        self._folder.cleanup()

    def loading_seconds(self, model: ModelSpec) -> float | None:
        return self._engine.loading_seconds(model)

    def can_hold(self, job: RenderJob) -> str | None:
        return self._engine.can_hold(job)

    def preload(self, model: ModelSpec) -> None:
        """As ``Engine.preload``, and on the other cards at the same time where they will have part in its clips. What
        one of those cannot load stands in its log: a clip that it is not ready for is made on the first card."""
        if not refusal_of_row(model, self._group.size):
            self._followers.tell({"preload": model.to_wire()})
        self._engine.preload(model)

    def evict(self, key: str) -> bool:
        """Take a component off every card; whether it was on the first and is not any more."""
        self._followers.tell({"evict": key})
        return self._engine.evict(key)

    def status(self) -> EngineStatus:
        """What is on the first card, and how full each of them is."""
        of_first = self._engine.status()
        first = CardStatus(
            name=str(self._engine.device.torch_device),
            budget_bytes=of_first.budget_bytes,
            used_bytes=of_first.used_bytes,
            is_busy=self._is_rendering,
        )
        is_shared = self._part is not None and not self._part.is_over
        others = (replace(card, is_busy=is_shared) for card in self._followers.cards())
        return of_first._replace(cards=(first, *others))


class _Decision:
    """The first card's side of an agreement."""

    def __init__(self, followers: Followers, should_stop: Callable[[], bool]) -> None:
        self._followers, self._should_stop = followers, should_stop

    def reach(self, replayed_calls: int, problem: str) -> str:
        """Raises what ``should_stop`` does; that it turned true is said by the stage that comes next."""
        try:
            problem = problem or self._followers.wait_until_ready(replayed_calls, self._ask)
        except BaseException as ended:
            with suppress(CardsLost):
                self._followers.decide(f"the first card has stopped: {ended}")
            raise
        self._followers.decide(problem)
        return problem

    def _ask(self) -> None:
        if self._should_stop():
            raise NotShared("it is not wanted any more")  # made alone, it ends before its first step


def _task(job: RenderJob, inputs: Mapping[str, Any], folder: Path, snapshots: SnapshotFiles | None) -> dict[str, Any]:
    """What the others need of the job. Of its snapshots they get copies: one that is not theirs they would drop."""
    file = folder / "inputs.cards"
    write_inputs(file, inputs)
    copies = folder / "snapshots.cards"
    if snapshots is not None:
        copies.mkdir(exist_ok=True)
        for path in snapshots.of(job.generation_id):
            (copies / path.name).hardlink_to(path)
    return {"render": job.to_wire(), "inputs": str(file), "snapshots": str(copies) if snapshots is not None else ""}
