"""What a render leaves: frames that have left the card, and the finished clip that is written from them."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_worker import log_context
from gpu_worker.contract import ClipFacts, RenderJob, Stage
from gpu_worker.engine.errors import ClipBroken
from gpu_worker.engine.events import log_event
from gpu_worker.engine.video.broken_clips import Fault, Signs, measure_signs
from gpu_worker.engine.video.clip import measure_clip, write_poster
from gpu_worker.engine.video.continuation import before_and_new
from gpu_worker.engine.video.frames import RawClip
from gpu_worker.engine.video.provenance import Provenance, label_of
from gpu_worker.engine.video.stages import StageClock
from gpu_worker.engine.video.watermark import mark_of
from gpu_worker.engine.video.writer import ClipWriter
from gpu_worker.families.family import Mode
from gpu_worker.media.perceptual_hash import hash_of

log = logging.getLogger(__name__)

_BROKEN = {
    Fault.BLACK: "The clip came out black.",
    Fault.UNIFORM: "The clip came out as one plain colour.",
    Fault.NOISE: "The clip came out as noise.",
    Fault.SILENT: "The clip came out without a sound.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedClip:
    """A finished render: two files and what is known about them."""

    clip: Path
    poster: Path
    facts: ClipFacts
    stage_seconds: dict[str, float]
    peak_bytes: int
    steps_done: int
    steps_total: int
    resumed_from_step: int = 0
    """Steps that an earlier attempt made; what its seconds were, its own report says."""
    similarity: float | None = None
    """Of the quantised transformer to its whole weights, where the job asked for it and it could be measured."""


@dataclass(slots=True, kw_only=True)
class RenderedFrames:
    """All frames of a clip, in main memory. What is left needs neither the card nor torch, and any thread may do it."""

    job: RenderJob
    mode: Mode
    inputs: Mapping[str, Any]
    folder: Path
    raw: RawClip
    writer: ClipWriter
    stages: StageClock
    peak_bytes: int
    resumed_from_step: int
    _written: RenderedClip | None = None

    @property
    def stage_seconds(self) -> dict[str, float]:
        """Seconds of the stages so far."""
        return self.stages.seconds

    def write(self) -> RenderedClip:
        """Write the clip and its poster, once.

        Raises:
            RenderStopped: the clip is not wanted any more.
            EncodingFailed: the file could not be written.
            ClipBroken: it shows nothing, or is silent where it was to sound.
        """
        if self._written is None:
            with log_context.bound(job_id=self.job.job_id):
                self._written = self._write()
        return self._written

    def compare(self, similarity_of: Callable[[], float | None]) -> None:
        """Write the clip, and note what the comparison finds, which takes the card. What it takes is nobody's price."""
        self._written = dataclasses.replace(self.write(), similarity=similarity_of())

    def discard(self) -> None:
        """Let go of a file that is still being written."""
        self.writer.close()

    def _write(self) -> RenderedClip:
        job, stages = self.job, self.stages
        clip, poster = self.folder / "clip.mp4", self.folder / "poster.jpg"
        stages.enter(Stage.ENCODING_VIDEO)
        before, raw = before_and_new(job, self.mode, self.inputs, self.raw, stages.stop_if_asked)
        provenance = Provenance(job.generation_id, f"LoreMotion, {job.model.slug} version {job.model.version}")
        self.writer.finish(raw.frames, audio=raw.audio, before=before, provenance=provenance)
        write_poster(poster, raw.frames, upscale=job.upscale, watermark=job.watermark)
        label = label_of(job)
        facts = dataclasses.replace(
            measure_clip(clip),
            perceptual_hash=hash_of(raw.frames[len(raw.frames) // 2]),
            invisible_id=label.id if label else None,
        )
        if job.is_judged:
            signs = self._signs(clip, raw, facts)
            if signs.fault is not None:
                raise ClipBroken(_BROKEN[signs.fault])
            facts = dataclasses.replace(facts, remark=signs.remark or "")
        stages.stop_if_asked()
        log_event(
            log,
            "clip rendered",
            model=job.model.slug,
            version=job.model.version,
            peak_bytes=self.peak_bytes,
            steps=stages.steps_done,
        )
        return RenderedClip(
            clip=clip,
            poster=poster,
            facts=facts,
            stage_seconds=stages.finish(),
            peak_bytes=self.peak_bytes,
            steps_done=stages.steps_done,
            steps_total=stages.steps_total,
            resumed_from_step=self.resumed_from_step,
        )

    def _signs(self, clip: Path, raw: RawClip, facts: ClipFacts) -> Signs:
        """What the new part of the clip shows, and how what the model made of it sounds."""
        job = self.job
        mark = mark_of(job.watermark, width=facts.width, height=facts.height) if job.watermark else None
        return measure_signs(
            clip,
            first_frame=facts.num_frames - len(raw.frames),
            upscale=job.upscale,
            rows=mark.top if mark else None,
            is_heard=raw.audio is not None and "audio" not in self.inputs,
        )
