"""A provider's file to a clip of ours: decoded in the sandbox, looked at, and written anew.

Nothing of the file itself reaches anybody: what people get is our own MP4 of its pictures and sound, with the marks
that every clip here bears. Frames pass one by one, so a clip takes no more memory than a frame does.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from gpu_worker import media_input
from gpu_worker.contract import ClipFacts, Progress, RenderJob, Stage
from gpu_worker.engine.errors import RenderStopped
from gpu_worker.engine.video.clip import ClipFile, Frame, measure_clip, show_frame, write_poster
from gpu_worker.engine.video.provenance import Provenance, label_of
from gpu_worker.media.perceptual_hash import hash_of
from gpu_worker.media_input import Wanted
from gpu_worker.remote.errors import NOT_AS_ASKED, RemoteFailed
from gpu_worker.sandbox import FileUnreadable
from gpu_worker.sounds import Audio

LEAST_SECONDS_SHARE: Final = 0.9
"""Of the asked length: providers round to their own frames."""
LEAST_SIDE_SHARE: Final = 0.75
"""Of the asked width and height: 1280x704 is a 1280x720, 854x480 is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteClip:
    """A finished clip: two files and what is known of them."""

    clip: Path
    poster: Path
    facts: ClipFacts
    stage_seconds: Mapping[str, float]
    steps_done: int
    steps_total: int
    peak_bytes: int = 0
    resumed_from_step: int = 0
    similarity: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFrames:
    """A file that was fetched. What is left needs neither the provider nor a place with it."""

    job: RenderJob
    title: str
    """Whose it is."""
    model: str
    folder: Path
    fetched: Path
    stage_seconds: dict[str, float]
    steps_total: int
    on_progress: Callable[[Progress], None]
    should_stop: Callable[[], bool]
    resumed_from_step: int = 0

    def write(self) -> RemoteClip:
        """Write the clip.

        Raises:
            RemoteFailed: the file is no video that can be read, or not what was asked for.
            EncodingFailed: the clip cannot be written.
            RenderStopped: it is not wanted any more.
        """
        began = time.monotonic()
        total = self.steps_total
        self.on_progress(Progress(kind="stage", stage=Stage.ENCODING_VIDEO.value, step=total, steps_total=total))
        clip, poster = self.folder / "clip.mp4", self.folder / "poster.jpg"
        middle = self._write_video(clip)
        write_poster(poster, middle[np.newaxis], watermark=self.job.watermark)
        label = label_of(self.job)
        facts = dataclasses.replace(
            measure_clip(clip),
            perceptual_hash=hash_of(middle),
            invisible_id=label.id if label else None,
        )
        self.stage_seconds[Stage.ENCODING_VIDEO.value] = time.monotonic() - began
        return RemoteClip(
            clip=clip,
            poster=poster,
            facts=facts,
            stage_seconds=self.stage_seconds,
            steps_done=total,
            steps_total=total,
        )

    def discard(self) -> None:
        self.fetched.unlink(missing_ok=True)

    def _write_video(self, path: Path) -> npt.NDArray[np.uint8]:
        """Write pictures and sound. Returns the picture in the middle."""
        job = self.job
        wanted = Wanted(width=job.width, height=job.height, fps=job.fps, first=job.num_frames)
        file = ClipFile(path, job.fps, label_of(job))
        middle: Frame | None = None
        try:
            for picture in media_input.each_frame(self.fetched, wanted, self._stop_if_asked):
                frame = _even(np.asarray(picture))
                if not file.num_frames:
                    self._verify_size(frame)
                if file.num_frames <= job.num_frames // 2:
                    middle = frame
                file.add(show_frame(frame, 1, job.watermark))
            if middle is None or file.num_frames < job.num_frames * LEAST_SECONDS_SHARE:
                seconds = file.num_frames / job.fps
                raise self._other(f"a clip of {seconds:.1f} s, and {job.num_frames / job.fps:.1f} s were asked for")
            tool = f"LoreMotion, {job.model.slug} version {job.model.version}, {self.model} by {self.title}"
            file.finish(self._sound(wanted, file.num_frames), Provenance(job.generation_id, tool))
        except FileUnreadable as problem:
            raise self._other(f"a file that {problem}") from problem
        finally:
            file.close()
        return middle

    def _sound(self, wanted: Wanted, num_frames: int) -> Audio | None:
        try:
            return media_input.sound(self.fetched, dataclasses.replace(wanted, first=num_frames))
        except FileUnreadable:
            return None  # its pictures could be read: it is silent

    def _verify_size(self, frame: Frame) -> None:
        height, width, _ = frame.shape
        job = self.job
        if width < job.width * LEAST_SIDE_SHARE or height < job.height * LEAST_SIDE_SHARE:
            raise self._other(f"a clip of {width}x{height}, and {job.width}x{job.height} was asked for")

    def _other(self, what: str) -> RemoteFailed:
        return RemoteFailed(NOT_AS_ASKED, f"{self.title} sent {what.rstrip('.')}.")

    def _stop_if_asked(self) -> None:
        if self.should_stop():
            raise RenderStopped(self.steps_total, self.steps_total, self.stage_seconds)


def _even(frame: Frame) -> Frame:
    """H.264 at 4:2:0 has even sides."""
    height, width, _ = frame.shape
    return np.ascontiguousarray(frame[: height - height % 2, : width - width % 2])
