"""The engine's face: everything that the worker around it may ask for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from gpu_worker import log_context
from gpu_worker.contract import ModelSpec, Progress, RenderJob, Stage
from gpu_worker.engine import comparison
from gpu_worker.engine.cards.shared_render import NotShared, PartDone, SharedRender
from gpu_worker.engine.compiled_shapes import CompiledShapes
from gpu_worker.engine.engine_status import EngineStatus, status_of
from gpu_worker.engine.errors import (
    DoesNotFit,
    EngineError,
    UnsupportedHere,
)
from gpu_worker.engine.memory import main_memory
from gpu_worker.engine.memory.devices import Device, as_engine_errors
from gpu_worker.engine.memory.headroom import Headroom
from gpu_worker.engine.memory.memory_needs import Room, needs_of
from gpu_worker.engine.memory.open_models import Library
from gpu_worker.engine.memory.placement import place
from gpu_worker.engine.memory.planning import POLICIES
from gpu_worker.engine.memory.read_ahead import ReadAhead
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.engine.memory.residents import RecordFile
from gpu_worker.engine.requests import check_row, mode_of
from gpu_worker.engine.snapshots.render_snapshots import RenderSnapshots
from gpu_worker.engine.video.frames import OnFrame, unheard
from gpu_worker.engine.video.prompts import PromptMemory, prompt_memory_bytes
from gpu_worker.engine.video.provenance import label_of
from gpu_worker.engine.video.rendered import RenderedClip, RenderedFrames
from gpu_worker.engine.video.rendering import Rendering
from gpu_worker.engine.video.stages import StageClock
from gpu_worker.engine.video.writer import ClipWriter
from gpu_worker.engine.weights.loading import Loader
from gpu_worker.engine.weights.quantisation import QuantisedStore
from gpu_worker.snapshot_files import SnapshotFiles

log = logging.getLogger(__name__)


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
        self._residency = Residency(device, self._loader.load, policy=POLICIES[policy])
        self._read_ahead = ReadAhead(self._library, self._loader, self._residency)
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
        self._read_ahead.cancel()  # this job loads for itself now, from where the reading has come
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
        self._read_ahead.cancel()
        with as_engine_errors(self.device), suppress(NotShared, PartDone):
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
        with as_engine_errors(self.device), self._asking(stages):
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
        with self._asking(stages):
            return comparison.similarity(
                job, rendering, self._room, stages, partial(self._unshown_rendering, inputs=inputs)
            )

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
        self._residency.upcoming = [own, *self._read_ahead.keys(self.upcoming)]
        return Rendering(
            job,
            inputs,
            model,
            self._room,
            stages,
            snapshots,
            on_denoising=lambda: self._read_ahead.begin(self.upcoming),
            on_frame=on_frame,
            part=part,
        )

    def _unshown_rendering(self, job: RenderJob, stages: StageClock, inputs: Mapping[str, Any]) -> Rendering:
        """One whose frames nobody sees, and which keeps no snapshots."""
        return self._rendering(job, inputs, stages, self._kept(None, job), unheard, None)

    @contextmanager
    def _asking(self, stages: StageClock) -> Iterator[None]:
        """Loading, too, asks whether to go on."""
        self._residency.at_safe_point = stages.stop_if_asked
        try:
            yield
        finally:
            self._residency.at_safe_point = lambda: None

    # --- what is resident ---

    def status(self) -> EngineStatus:
        """What is on the device now. Cheap enough for every heartbeat."""
        return status_of(self.device, self._residency, self._read_ahead)

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
        with as_engine_errors(self.device), self._residency.lease(components.values()):
            self._records.write(self._residency.records)
        self._compiled_shapes.compile_missing(model, self.device, self._unshown_rendering)

    def evict(self, key: str) -> bool:
        """Take a component off the device. False when it is in use or not there."""
        return self._residency.evict(key)

    def evict_all(self) -> int:
        """Take everything off the device that is not in use; how many components went."""
        return self._residency.evict_all()
