"""Small videos and sounds as somebody would send them, good ones and hostile ones."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image


def write_video(
    path: Path,
    *,
    codec: str = "mpeg4",
    size: tuple[int, int] = (64, 48),
    frames: int = 8,
    fps: int = 8,
    streams: int = 1,
    seconds_apart: float | None = None,
    options: Mapping[str, str] | None = None,
) -> Path:
    """Frames that grow brighter, so that they can be told apart. ``seconds_apart`` stretches their times."""
    rate = Fraction(fps)
    container_format = {".webm": "webm", ".mkv": "matroska", ".mov": "mov"}.get(path.suffix, "mp4")
    with av.open(str(path), "w", format=container_format, container_options=dict(options or {})) as container:
        made = [container.add_stream(codec, rate=rate) for _ in range(streams)]
        for stream in made:
            stream.width, stream.height = size
            stream.pix_fmt = {"mjpeg": "yuvj420p", "prores_ks": "yuv422p10le"}.get(codec, "yuv420p")
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


def write_sound(
    path: Path,
    *,
    seconds: float = 1.0,
    hertz: float = 440.0,
    rate: int = 44_100,
    codec: str = "",
    options: Mapping[str, str] | None = None,
) -> Path:
    """A tone."""
    rate = 48_000 if path.suffix == ".ogg" else rate
    usual = {".wav": "pcm_s16le", ".mp3": "mp3", ".m4a": "aac", ".aac": "aac", ".flac": "flac", ".ogg": "libopus"}
    container_format = {".m4a": "mp4", ".aac": "adts"}.get(path.suffix, path.suffix[1:])
    with av.open(str(path), "w", format=container_format, container_options=dict(options or {})) as container:
        stream = container.add_stream(codec or usual[path.suffix], rate=rate)
        stream.layout = "mono"
        add_tone(container, stream, seconds=seconds, hertz=hertz)
    return path


def write_surround(path: Path, layout: str) -> Path:
    """A second in which every channel has a tone of its own: 220 Hz, 280 Hz and so on, all as loud as can be."""
    usual = {".wav": "pcm_s16le", ".m4a": "aac", ".flac": "flac", ".ogg": "libopus"}
    rate = 48_000
    with av.open(str(path), "w", format={".m4a": "mp4"}.get(path.suffix, path.suffix[1:])) as container:
        stream = container.add_stream(usual[path.suffix], rate=rate)
        stream.layout = layout
        hertz = 220 + 60 * np.arange(stream.layout.nb_channels)
        tones = 0.95 * np.sin(2 * np.pi * hertz * np.arange(rate)[:, None] / rate)
        frame = av.AudioFrame(format="flt", layout=layout, samples=rate)
        frame.planes[0].update(tones.astype(np.float32).tobytes())
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate, frame_size=stream.frame_size or 0)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def add_tone(container: Any, stream: Any, *, seconds: float, hertz: float = 440.0, starts: float = 0.0) -> None:
    """Encode a tone that begins at the second ``starts``."""
    rate = stream.rate
    tone = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    frame = av.AudioFrame.from_ndarray((tone * 32767).astype(np.int16)[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, round(starts * rate), Fraction(1, rate)
    resampler = av.AudioResampler(format=stream.format, layout="mono", rate=rate, frame_size=stream.frame_size or 0)
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(piece))
    container.mux(stream.encode(None))


def without_ftyp(path: Path) -> Path:
    """The MOV as cameras wrote it before there was such a box."""
    content = path.read_bytes()
    assert content[4:8] == b"ftyp"
    length = int.from_bytes(content[:4])
    path.write_bytes(struct.pack(">I", length) + b"free" + content[8:])  # nothing behind it moves
    return path


def with_length_claimed(path: Path, seconds: float) -> Path:
    """The WebM with another length in its header than its pictures have."""
    content = bytearray(path.read_bytes())
    at = content.index(b"\x44\x89\x88") + 3
    content[at : at + 8] = struct.pack(">d", seconds * 1000)
    path.write_bytes(content)
    return path


def id3(length: int) -> bytes:
    """An ID3v2 tag with a picture of that many bytes."""
    content = b"\x00image/jpeg\x00\x03\x00" + b"\xff\xd8\xff" + bytes(length)
    body = b"APIC" + struct.pack(">IH", len(content), 0) + content
    return b"ID3\x03\x00\x00" + bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0)) + body


def with_cover(path: Path) -> Path:
    """The FLAC with a picture in front of its sound."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, "JPEG")
    picture = file.getvalue()
    block = struct.pack(">II", 3, 10) + b"image/jpeg" + struct.pack(">6I", 0, 64, 64, 24, 0, len(picture)) + picture
    content = path.read_bytes()
    path.write_bytes(content[:42] + b"\x06" + len(block).to_bytes(3) + block + content[42:])  # behind STREAMINFO
    return path
