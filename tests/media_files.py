"""Small videos and sounds as somebody would send them, good ones and hostile ones."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write_video(
    path: Path,
    *,
    codec: str = "mpeg4",
    size: tuple[int, int] = (64, 48),
    frames: int = 8,
    fps: int = 8,
    streams: int = 1,
    seconds_apart: float | None = None,
) -> Path:
    """Frames that grow brighter, so that they can be told apart. ``seconds_apart`` stretches their times."""
    rate = Fraction(fps)
    with av.open(str(path), "w", format="webm" if path.suffix == ".webm" else "mp4") as container:
        made = [container.add_stream(codec, rate=rate) for _ in range(streams)]
        for stream in made:
            stream.width, stream.height = size
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for index in range(frames):
            shade = 20 + index * 200 // frames
            picture = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), shade, np.uint8), format="rgb24")
            for stream in made:
                picture.pts = index if seconds_apart is None else round(index * seconds_apart * fps)
                picture.time_base = 1 / rate
                container.mux(stream.encode(picture))
        for stream in made:
            container.mux(stream.encode(None))
    return path


def write_sound(path: Path, *, seconds: float = 1.0, hertz: float = 440.0, rate: int = 44_100) -> Path:
    """A tone."""
    rate = 48_000 if path.suffix == ".ogg" else rate
    codec = {".wav": "pcm_s16le", ".mp3": "mp3", ".m4a": "aac", ".flac": "flac", ".ogg": "libopus"}[path.suffix]
    tone = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    with av.open(str(path), "w", format="mp4" if path.suffix == ".m4a" else path.suffix[1:]) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray((tone * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=rate, frame_size=stream.frame_size or 0)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def with_length_claimed(path: Path, seconds: float) -> Path:
    """The WebM with another length in its header than its pictures have."""
    content = bytearray(path.read_bytes())
    at = content.index(b"\x44\x89\x88") + 3
    content[at : at + 8] = struct.pack(">d", seconds * 1000)
    path.write_bytes(content)
    return path
