"""The engine's face: everything that the worker around it may ask for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from gpu_worker import log_context
from gpu_worker.contract import ModelSpec, Progress, RenderJob, Stage
from gpu_worker.engine.cards.shared_render import NotShared, PartDone, SharedRender
from gpu_worker.engine.compiled_shapes import CompiledShapes
from gpu_worker.engine.errors import (
    DoesNotFit,
    EngineError,
    FatalDeviceError,
    OutOfMemory,
    RenderStopped,
    UnsupportedHere,
)
from gpu_worker.engine.events import log_event
from gpu_worker.engine.memory import main_memory
from gpu_worker.engine.memory.devices import Device
from gpu_worker.engine.memory.headroom import Headroom
from gpu_worker.engine.memory.memory_needs import Room, needs_of
from gpu_worker.engine.memory.open_models import Library
from gpu_worker.engine.memory.placement import place
from gpu_worker.engine.memory.planning import POLICIES
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.engine.memory.residents import RecordFile
from gpu_worker.engine.memory.staging import Stager
from gpu_worker.engine.requests import check_row, mode_of
from gpu_worker.engine.sizes import show_bytes
from gpu_worker.engine.snapshots.render_snapshots import RenderSnapshots
from gpu_worker.engine.video.frames import OnFrame, unheard
from gpu_worker.engine.video.prompts import PromptMemory
from gpu_worker.engine.video.provenance import label_of
from gpu_worker.engine.video.rendered import RenderedClip, RenderedFrames
from gpu_worker.engine.video.rendering import Rendering
from gpu_worker.engine.video.stages import StageClock
from gpu_worker.engine.video.writer import ClipWriter
from gpu_worker.engine.weights.loading import Loader
from gpu_worker.engine.weights.quantisation import QuantisedStore
from gpu_worker.families.speed import without_caches
from gpu_worker.snapshot_files import SnapshotFiles
from gpu_worker.worker_status import CardStatus, ResidentComponent

log = logging.getLogger(__name__)

LEAST_PROMPT_MEMORY_BYTES = 256 * 2**20
PROMPT_MEMORY_FRACTION = 1 / 32
"""Of main memory. A prompt of LTX-2 with a negative one is 25 MB."""


def prompt_memory_bytes(host_bytes: int) -> int:
    """What remembered prompts may take of a host's main memory."""
    return max(LEAST_PROMPT_MEMORY_BYTES, int(host_bytes * PROMPT_MEMORY_FRACTION))


class EngineStatus(NamedTuple):
    """What is on the device."""

    budget_bytes: int
    used_bytes: int
    residents: tuple[ResidentComponent, ...]
    counters: dict[str, float]
    cards: tuple[CardStatus, ...] = ()
    """Where there are several: see ``gpu_worker.engine.cards``."""


class Engine:
    """Renders one job at a time on one device and keeps models there between jobs. Not thread-safe, by design."""

    def __init__(self, *, device: Device, models: Path, cache: Path, policy: str = "lru") -> None:
        if policy not in POLICIES:
            raise ValueError(f"No eviction policy {policy!r}; there are: {', '.join(sorted(POLICIES))}")
        self.device = device
        self.upcoming: Sequence[RenderJob] = ()
        """The jobs that will probably come next, in order. What they need is evicted last."""
        self._library = Library(models, cache)
        self._loader = Loader(QuantisedStore(cache / "quantised"), device.torch_device)
        self._stager = Stager()
        self._residency = Residency(device, self._loader.load, policy=POLICIES[policy])
        self._compiled_shapes = CompiledShapes(cache / "compiled-shapes.json")
        self._records = RecordFile(cache / "components.json")
        self._residency.records.update(self._records.read())
        self._room = Room(
            residency=self._residency,
            library=self._library,
            headroom=Headroom(cache / "headroom.json"),
            prompts=PromptMemory(prompt_memory_bytes(main_memory.total_bytes())),
        )

    # --- rendering ---

    def render(
        self,
        job: RenderJob,
        *,
        inputs: Mapping[str, Any],
        folder: Path,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
        snapshots: SnapshotFiles | None = None,
    ) -> RenderedClip:
        """Make the clip of ``job`` and write it, with its poster, into ``folder``: ``render_frames`` and the rest."""
        frames = self.render_frames(
            job, inputs=inputs, folder=folder, on_progress=on_progress, should_stop=should_stop, snapshots=snapshots
        )
        try:
            return frames.write()
        finally:
            frames.discard()

    def render_frames(
        self,
        job: RenderJob,
        *,
        inputs: Mapping[str, Any],
        folder: Path,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
        snapshots: SnapshotFiles | None = None,
        part: SharedRender | None = None,
    ) -> RenderedFrames:
        """Make the frames of ``job``: all of the render that takes the card. What is left is to write them into
        ``folder``, which may be done on another thread while the engine renders the next job, or to discard them.

        With ``snapshots`` its state is kept there between steps, and a job that has one goes on from it, to the same
        bytes. Whoever delivers the clip discards them.

        ``inputs`` holds pictures (``PIL.Image``), video (lists of them) and sound (``Audio``) by role. ``should_stop``
        is asked after every step, and between stages, components and tensors; what it raises ends the render there.
        With ``part`` the steps are made together with other cards.

        Raises:
            RenderStopped: ``should_stop`` turned true.
            NotShared: they cannot be made together; without ``part`` they can.
            EngineError: this render failed, with a stable code; the engine stays usable.
            FatalDeviceError: the device is lost; the process has to end.
        """
        stages = StageClock(steps_total=job.steps, on_progress=on_progress, should_stop=should_stop)
        self._stager.cancel()  # this job loads for itself now, from where the reading has come
        with log_context.bound(job_id=job.job_id):
            kept = self._kept(snapshots, job)
            writer = ClipWriter(
                folder / "clip.mp4",
                job.fps,
                upscale=job.upscale,
                watermark=job.watermark,
                label=label_of(job),
                stop_if_asked=stages.stop_if_asked,
            )
            try:
                return self._render_frames(job, inputs, folder, stages, kept, writer, part)
            except BaseException:
                writer.close()
                raise

    def render_part(
        self, job: RenderJob, *, inputs: Mapping[str, Any], part: SharedRender, snapshots: SnapshotFiles | None
    ) -> None:
        """Make this card's part of the steps of a clip that the first card makes; done when the steps are.

        Raises:
            EngineError: this card cannot take part; the engine stays usable.
            FatalDeviceError: this card or another one is lost; the process has to end.
        """
        stages = StageClock(steps_total=job.steps, on_progress=lambda _: None, should_stop=lambda: False)
        self._stager.cancel()
        with self._device_errors(), suppress(NotShared, PartDone):
            self._rendering(job, inputs, stages, self._kept(snapshots, job), unheard, part).run()

    def _kept(self, snapshots: SnapshotFiles | None, job: RenderJob) -> RenderSnapshots:
        return RenderSnapshots(
            snapshots,
            generation_id=job.generation_id,
            attempt=job.attempt,
            speed=job.model.speed,
            device=self.device.torch_device,
        )

    def _render_frames(
        self,
        job: RenderJob,
        inputs: Mapping[str, Any],
        folder: Path,
        stages: StageClock,
        snapshots: RenderSnapshots,
        writer: ClipWriter,
        part: SharedRender | None,
    ) -> RenderedFrames:
        _, mode = mode_of(job, inputs)
        with self._device_errors(), self._asking(stages):
            stages.enter(Stage.LOADING)
            # What continues a video stands behind it in the file, so nothing of it is written before all is there.
            on_frame = unheard if mode.is_continuation else writer.put
            rendering = self._rendering(job, inputs, stages, snapshots, on_frame, part)
            raw = rendering.run()
        stages.pause()  # what is left may have to wait for the delivery before it
        self._records.write(self._residency.records)
        self._compiled_shapes.note(job, inputs)
        frames = RenderedFrames(
            job=job,
            mode=mode,
            inputs=inputs,
            folder=folder,
            raw=raw,
            writer=writer,
            stages=stages,
            peak_bytes=rendering.peak_bytes,
            resumed_from_step=snapshots.resumed_from_step,
        )
        if job.is_compared and not snapshots.resumed_from_step:  # else the first call is another one
            frames.compare(lambda: self._similarity(job, inputs, rendering, stages))
        return frames

    def _similarity(
        self, job: RenderJob, inputs: Mapping[str, Any], rendering: Rendering, stages: StageClock
    ) -> float | None:
        stages.enter(Stage.LOADING, "Comparing with the whole weights")
        try:
            with self._device_errors(), self._asking(stages):
                found = [
                    rendering.first_calls.similarity(job.model, self._room),
                    self._similarity_without_cache(job, inputs, rendering, stages),
                ]
        except EngineError as problem:
            log.warning(
                "What smaller weights or skipped steps change of %s is not measured: %s", job.model.slug, problem
            )
            return None
        return min((figure for figure in found if figure is not None), default=None)

    def _similarity_without_cache(
        self, job: RenderJob, inputs: Mapping[str, Any], rendering: Rendering, stages: StageClock
    ) -> float | None:
        """Make the steps of ``job`` once more, none of them skipped; None where its row skips none."""
        speed = without_caches(job.model.speed)
        if speed == job.model.speed:
            return None
        whole = replace(job, model=replace(job.model, speed=speed))

        def is_done() -> bool:
            stages.stop_if_asked()
            return clock.steps_done >= clock.steps_total

        clock = StageClock(steps_total=job.steps, on_progress=lambda _: None, should_stop=is_done)
        again = self._rendering(whole, inputs, clock, self._kept(None, whole), unheard, None)
        try:
            again.run()
        except RenderStopped:
            if clock.steps_done < clock.steps_total:
                raise
        return rendering.last_latents.similarity(again.last_latents)

    def _rendering(
        self,
        job: RenderJob,
        inputs: Mapping[str, Any],
        stages: StageClock,
        snapshots: RenderSnapshots,
        on_frame: OnFrame,
        part: SharedRender | None,
    ) -> Rendering:
        check_row(job.model, self.device.torch_device)
        model = self._library.open(job.model)
        own = [c.key for c in model.components.values()]  # the denoisers are not leased while the prompt is encoded
        self._residency.upcoming = [own, *self._upcoming_keys()]
        return Rendering(
            job, inputs, model, self._room, stages, snapshots, on_denoising=self._prefetch, on_frame=on_frame, part=part
        )

    @contextmanager
    def _asking(self, stages: StageClock) -> Iterator[None]:
        """Loading, too, asks whether to go on."""
        self._residency.at_safe_point = stages.stop_if_asked
        try:
            yield
        finally:
            self._residency.at_safe_point = lambda: None

    @contextmanager
    def _device_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if self.device.is_out_of_memory(error):
                raise OutOfMemory(
                    f"{self.device.name} with a budget of {show_bytes(self.device.budget_bytes)} ran out of memory"
                ) from error
            if self.device.is_fatal(error):
                raise FatalDeviceError(f"{self.device.name}: {error}") from error
            raise

    # --- what is resident ---

    def status(self) -> EngineStatus:
        """What is on the device now. Cheap enough for every heartbeat."""
        residents = tuple(
            ResidentComponent(
                key=key,
                name=entry.component.name,
                size_bytes=entry.record.size_bytes,
                tier=entry.tier,
                last_used=entry.record.last_used_at,
                leases=self._residency.leases(key),
            )
            for key, entry in list(self._residency.entries.items())
        )
        return EngineStatus(
            budget_bytes=self.device.budget_bytes,
            used_bytes=self._residency.used_bytes,
            residents=residents,
            counters={
                **{name: float(count) for name, count in self._residency.counters.items()},
                "staged_bytes": float(self._stager.staged_bytes),
            },
        )

    def loading_seconds(self, model: ModelSpec) -> float | None:
        """Seconds of loading that a job of ``model`` would begin with now; None where that cannot be told."""
        try:
            components = self._library.look_at(model).components
        except EngineError:
            return None
        return sum(self._residency.loading_seconds(c) for c in components.values())

    def can_hold(self, job: RenderJob) -> str | None:
        """Why this device or installation can never make ``job``, with the figures, or None."""
        try:
            check_row(job.model, self.device.torch_device)
            model = self._library.look_at(job.model)
            self._library.check_speed(model, self.device.torch_device)
            place(
                needs_of(job, model, self._room),
                budget_bytes=self.device.budget_bytes,
                host_bytes=self.device.host_bytes,
                wanted=job.model.placement,
            )
        except (DoesNotFit, UnsupportedHere) as problem:
            return f"{job.model.slug} on {self.device.name}: {problem}"
        except EngineError:
            return None  # not a question of room: the render itself will say what is wrong
        return None

    def preload(self, model: ModelSpec) -> None:
        """Bring a model's components onto the device before anybody asks for them, and where its row compiles blocks,
        make the first step of what it has made on this host.

        Raises:
            EngineError: it is not there, cannot be read or does not fit.
        """
        components = self._library.open(model).components
        with self._device_errors(), self._residency.lease(components.values()):
            self._records.write(self._residency.records)
        for job, inputs in self._compiled_shapes.missing(model):
            self._compile(job, inputs)

    def _compile(self, job: RenderJob, inputs: Mapping[str, Any]) -> None:
        """Make one step of ``job``, with which its blocks are compiled. What goes wrong costs the warm-up alone."""
        stages = StageClock(
            steps_total=job.steps, on_progress=lambda _: None, should_stop=lambda: stages.steps_done > 0
        )
        try:
            with self._device_errors():
                self._rendering(job, inputs, stages, self._kept(None, job), unheard, None).run()
        except RenderStopped:
            self._compiled_shapes.note(job, inputs)
            log_event(log, "blocks compiled", size=f"{job.width}x{job.height}", frames=job.num_frames)
        except EngineError as problem:
            log.warning("Blocks of %s are not compiled in advance: %s", job.model.slug, problem)

    def evict(self, key: str) -> bool:
        """Take a component off the device. False when it is in use or not there."""
        return self._residency.evict(key)

    def evict_all(self) -> int:
        """Take everything off the device that is not in use; how many components went."""
        return self._residency.evict_all()

    def _upcoming_keys(self) -> Iterator[list[str]]:
        for job in self.upcoming:
            try:
                yield [c.key for c in self._library.look_at(job.model).components.values()]
            except EngineError:
                continue

    def _prefetch(self) -> None:
        """While the device computes, read what the next job will load, its encoder first, from disk into memory."""
        for job in self.upcoming[:1]:
            try:
                components = self._library.look_at(job.model).components.values()
            except EngineError:
                continue
            missing = [c for c in components if c.key not in self._residency.entries]
            self._stager.begin((file for c in missing for file in self._loader.files(c)), self._staging_bytes())

    def _staging_bytes(self) -> int:
        """What reading ahead may take: of what is left for copies of weights, where those have a limit, half at most
        of what is free, so that nobody's memory is swapped out for it."""
        free_bytes = main_memory.free_bytes() // 2
        if not self.device.host_bytes:
            return free_bytes
        return max(0, min(free_bytes, self.device.host_bytes - self._residency.host_used_bytes))
