"""Frames to a finished clip: MP4, poster, and the facts measured on the file."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

from gpu_worker.contract import ClipFacts
from gpu_worker.engine.errors import EncodingFailed
from gpu_worker.engine.video.provenance import Provenance, append_xmp
from gpu_worker.engine.video.watermark import mark_of
from gpu_worker.media.invisible_id import Label
from gpu_worker.media.invisible_id.marking import Marking
from gpu_worker.sounds import Audio, join

Frames = npt.NDArray[np.uint8]
"""``(frames, height, width, 3)``, sRGB."""
Frame = npt.NDArray[np.uint8]
"""``(height, width, 3)``, sRGB."""


@dataclass(frozen=True, slots=True)
class Before:
    """The clip that is continued: its frames in the size of the finished file, and its sound."""

    frames: Iterator[npt.NDArray[np.uint8]]
    sound: Audio | None


_BT709 = 1
_LIMITED_RANGE = 1
_POSTER_QUALITY = 88
X264 = {"preset": "veryfast", "x264-params": "mbtree=0"}
CRF, CRF_OF_LABELLED = "18", "21"
"""Visually lossless. Macroblock-tree rate control is off because in small pictures it reads memory that nobody wrote:
the same frames then gave different files in about one of ten encodings. A label is noise, which takes bytes: a labelled
clip gives back in its finest grain what that takes, and stays about as large (``python -m benchmarks.invisible_id``).
"""


def exact_rate(fps: float) -> Fraction:
    """The frame rate as a fraction: whole, or one of television's n·1000/1001, or the nearest small one."""
    television = Fraction(round(fps) * 1000, 1001)
    if abs(fps - television) < 0.002 and abs(fps - round(fps)) > 1e-6:
        return television
    return Fraction(fps).limit_denominator(1000)


def write_clip(
    path: Path,
    frames: Frames,
    fps: float,
    *,
    upscale: int = 1,
    audio: Audio | None = None,
    before: Before | None = None,
    watermark: str = "",
    provenance: Provenance | None = None,
    label: Label | None = None,
    stop_if_asked: Callable[[], None] = lambda: None,
) -> None:
    """Write an MP4 that every browser plays: H.264, yuv420p, BT.709, index first, AAC when there is sound.

    Every frame is written once, at an exactly constant rate. ``upscale`` enlarges each smoothly in both directions.
    ``before`` is the clip that this one continues: it comes first, in the size that it has, and with its own sound.
    ``watermark`` are words for the corner of every frame, and ``provenance`` is what the file says of itself.
    ``label`` is written into the new frames; those before carry the label of their own clip.
    ``stop_if_asked`` is called before each frame, and what it raises ends the writing.

    Raises:
        EncodingFailed: the file could not be written; the message says why.
        OSError: the disk is full.
    """
    file = ClipFile(path, fps, label)
    try:
        for frame in before.frames if before else ():
            file.add(show_frame(frame, 1, watermark), is_new=False)
        before_count = file.num_frames
        for frame in frames:
            stop_if_asked()
            file.add(show_frame(frame, upscale, watermark))
        if before:
            audio = join(before.sound, before_count / fps, audio, len(frames) / fps)
        file.finish(audio, provenance)
    finally:
        file.close()


class ClipFile:
    """An MP4 to which pictures are added one by one, and the sound when all of them are there.

    Encoded pictures wait in memory, megabytes for a clip: a file's kinds of content are named before the first of it is
    written, and whether there is sound is known last.
    """

    def __init__(self, path: Path, fps: float, label: Label | None = None) -> None:
        """
        Raises:
            EncodingFailed: the file cannot be begun.
        """
        self.num_frames = 0
        self._label = label
        self._marking: Marking | None = None
        options = X264 | {"crf": CRF_OF_LABELLED if label else CRF}
        self._path, self._rate = path, exact_rate(fps)
        self._packets: list[av.Packet] = []
        with _failures():
            self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
            self._video = self._container.add_stream("libx264", rate=self._rate, options=options)
            self._video.pix_fmt = "yuv420p"
            self._video.time_base = 1 / self._rate
            colours = self._video.codec_context
            colours.color_range = _LIMITED_RANGE
            colours.colorspace = colours.color_primaries = colours.color_trc = _BT709

    def add(self, picture: Frame, *, is_new: bool = True) -> None:
        """Encode the next picture; the first decides how large the clip is. What ``is_new`` gets the label.

        Raises:
            EncodingFailed: it could not be encoded.
        """
        if not self.num_frames:
            self._video.height, self._video.width = picture.shape[:2]
            if self._label is not None:
                self._marking = Marking(*self._label, *picture.shape[:2])
        with _failures():
            frame = _video_frame(picture, self.num_frames, self._rate)
            if self._marking is not None and is_new:
                _mark(frame, self._marking)
            self._packets += self._video.encode(frame)
        self.num_frames += 1

    def finish(self, audio: Audio | None, provenance: Provenance | None) -> None:
        """Write the file.

        Raises:
            EncodingFailed: it could not be written.
        """
        with _failures():
            self._packets += self._video.encode()
            sound = self._container.add_stream("aac", rate=audio.rate_hertz) if audio else None
            if audio and sound:
                sound.layout = "stereo" if len(audio.samples) == 2 else "mono"
            if provenance is not None:
                self._container.metadata["comment"] = provenance.comment
            self._container.mux(self._packets)
            if audio and sound:
                self._container.mux(sound.encode(_audio_frame(audio)))
                self._container.mux(sound.encode())
            self._container.close()
            if provenance is not None:
                append_xmp(self._path, provenance)

    def close(self) -> None:
        """Let go of the file, finished or not."""
        with suppress(av.error.FFmpegError, OSError):
            self._container.close()


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except (av.error.FFmpegError, OSError) as problem:
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(problem.errno, os.strerror(problem.errno)) from problem
        raise EncodingFailed(f"The clip could not be written: {_without_path(problem)}") from problem


def _without_path(problem: Exception) -> str:
    """The words of an error, without the path that the system's own have: people read them in the report."""
    return getattr(problem, "strerror", None) or type(problem).__name__


def _video_frame(frame: npt.NDArray[np.uint8], index: int, rate: Fraction) -> av.VideoFrame:
    picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
    )
    picture.pts, picture.time_base = index, 1 / rate
    return picture


def _mark(frame: av.VideoFrame, marking: Marking) -> None:
    """Write a label into the brightness of a frame."""
    plane = frame.planes[0]
    lines = np.frombuffer(plane, np.uint8).reshape(frame.height, plane.line_size)
    marked = lines.copy()
    marked[:, : frame.width] = marking.mark(lines[:, : frame.width])
    plane.update(marked.tobytes())


def _audio_frame(audio: Audio) -> av.AudioFrame:
    samples = np.ascontiguousarray(np.clip(audio.samples, -1, 1), dtype=np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo" if len(samples) == 2 else "mono")
    frame.sample_rate = audio.rate_hertz
    frame.pts = 0
    return frame


def write_poster(path: Path, frames: Frames, *, upscale: int = 1, watermark: str = "") -> None:
    """Write a JPEG of the frame in the middle, where a clip usually shows what it is about."""
    Image.fromarray(show_frame(frames[len(frames) // 2], upscale, watermark)).save(
        path, "JPEG", quality=_POSTER_QUALITY, optimize=True, subsampling=0 if upscale > 1 else 2
    )


def show_frame(frame: npt.NDArray[np.uint8], upscale: int, watermark: str) -> npt.NDArray[np.uint8]:
    """A frame as people get to see it."""
    picture = enlarge(frame, upscale)
    height, width, _ = picture.shape
    return mark_of(watermark, width=width, height=height).over(picture) if watermark else picture


def enlarge(frame: npt.NDArray[np.uint8], factor: int) -> npt.NDArray[np.uint8]:
    """``(height, width, 3)`` at ``factor`` times its size, smoothly: squares as large as these would look broken."""
    if factor == 1:
        return np.ascontiguousarray(frame)
    height, width, _ = frame.shape
    enlarged = Image.fromarray(frame).resize((width * factor, height * factor), Image.Resampling.BICUBIC)
    return np.asarray(enlarged)


def measure_clip(path: Path) -> ClipFacts:
    """Read the facts from the file itself, so that what is reported is what was made.

    Raises:
        EncodingFailed: the file is not a clip that can be played.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with av.open(str(path)) as container:
            video = container.streams.video[0]
            num_frames = sum(1 for packet in container.demux(video) if packet.size)
            if video.average_rate is None or video.time_base is None or video.duration is None:
                raise EncodingFailed(f"{path.name} has no frame rate or no duration")
            return ClipFacts(
                width=video.width,
                height=video.height,
                num_frames=num_frames,
                fps=float(video.average_rate),
                duration_seconds=float(video.duration * video.time_base),
                size_bytes=path.stat().st_size,
                sha256=digest,
                has_audio=bool(container.streams.audio),
            )
    except (av.error.FFmpegError, IndexError, OSError) as problem:
        raise EncodingFailed(f"{path.name} cannot be read back: {_without_path(problem)}") from problem
