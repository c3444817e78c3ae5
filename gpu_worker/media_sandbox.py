"""Reads a video or a sound that somebody sent, in a process that may do little else.

Run as a file by ``gpu_worker.media_input``, never imported there: decoders are large programs that read hostile bytes.
So this one has no environment, and once they are imported ``confinement.py`` takes everything from it but the file that
it was given open. What comes out is pixels or samples, nothing of the file itself.

    python -I media_sandbox.py '{"kind": "video", "width": …, "height": …, "fps": …, "first": …, "last": …}' < file
    python -I media_sandbox.py '{"kind": "audio", "rate": …, "seconds": …}' < file
    python -I media_sandbox.py '{"kind": "nothing"}'

Standard output: one line of JSON that says what follows, then RGB frames or interleaved 32-bit floats. Ends with
``REFUSED`` and a sentence on standard error where the file is not what it should be.
"""

from __future__ import annotations

import importlib.util
import json
import math
import pkgutil
import sys
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

REFUSED = 3
MOST_SECONDS = 60
MOST_PIXELS = 4096 * 2304
MOST_FRAMES = 4_000
"""Of the file, before any is left out: a minute at 60 a second, and a little."""
MOST_STREAMS = 16
LEAST_SIDE = 16

_CODECS = {
    "video": ("h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg4"),
    "audio": ("aac", "mp3", "mp3float", "opus", "vorbis", "flac", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le"),
}


def refuse(sentence: str) -> NoReturn:
    """End with what is wrong, in words that follow "The input 'video' "."""
    sys.stderr.write(f"{sentence}\n")
    sys.stdout.flush()
    sys.exit(REFUSED)


def confine() -> list[str]:
    """Import all that decoding takes, then give up everything else. Returns what holds this process.

    PyAV and its like import parts of themselves while they work, which they cannot any more afterwards.
    """
    import av
    import numpy  # noqa: F401

    for module in pkgutil.walk_packages(av.__path__, "av."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    av.logging.set_level(av.logging.PANIC)
    spec = importlib.util.spec_from_file_location("confinement", Path(__file__).with_name("confinement.py"))
    assert spec is not None
    assert spec.loader is not None
    confinement = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(confinement)
    held: list[str] = confinement.confine()
    return held


def format_of(head: bytes) -> str | None:
    """The demuxer for a file that begins like this. Named, never guessed: a playlist would make it open other files."""
    if head[4:8] == b"ftyp":
        return "mp4"
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "matroska"
    if head.startswith(b"RIFF") and head[8:12] == b"WAVE":
        return "wav"
    if head.startswith(b"OggS"):
        return "ogg"
    if head.startswith(b"fLaC"):
        return "flac"
    if head.startswith(b"ID3") or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0):
        return "mp3"
    return None


def open_stream(kind: str) -> tuple[Any, Any]:
    """The container on standard input and its first stream of ``kind``, which say that they are small enough."""
    import av

    file = sys.stdin.buffer
    container_format = format_of(file.read(16))
    file.seek(0)
    if container_format is None:
        refuse("is of no format that is read here: MP4, MOV or WebM for video, WAV, MP3, M4A, OGG or FLAC for sound.")
    options = {"protocol_whitelist": "none", "enable_drefs": "0", "max_streams": str(MOST_STREAMS)}
    container = av.open(file, format=container_format, options=options)
    if len(container.streams) > MOST_STREAMS:
        refuse(f"has {len(container.streams)} streams, and {MOST_STREAMS} are the most.")
    streams = getattr(container.streams, kind)
    if not streams:
        refuse(f"holds no {kind}, or is damaged or cut off.")
    stream = streams[0]
    codec = stream.codec_context
    if codec is None or codec.name not in _CODECS[kind]:
        refuse(f"is coded as {codec.name if codec else 'something unknown'}; send one of: {', '.join(_CODECS[kind])}.")
    _refuse_length(container.duration and container.duration / av.time_base)
    _refuse_length(stream.duration and stream.time_base and float(stream.duration * stream.time_base))
    codec.thread_count = 1
    return container, stream


def _refuse_length(seconds: float | None) -> None:
    if seconds and seconds > MOST_SECONDS + 1:  # a clip of ours may be a frame longer than a minute
        refuse(f"is {seconds:,.0f} seconds long, and {MOST_SECONDS} are the most.")


# --- video -------------------------------------------------------------------------------------------------------


def video(said: dict[str, Any], out: BinaryIO) -> None:
    """Frames at the clip's own rate, so that what moves keeps its speed, no larger than the clip has use for."""
    frames = at_rate(decode_frames(), said["fps"])
    kept = deque(frames, maxlen=said["last"]) if said.get("last") else islice(frames, said["first"])
    shape = None
    for frame in kept:
        pixels = _pixels(frame, said)
        if shape is None:
            shape = pixels.shape
            _say(out, {"width": shape[1], "height": shape[0]})
        elif pixels.shape != shape:
            refuse("changes its size on the way.")
        out.write(pixels.tobytes())
    if shape is None:
        refuse("holds no frames, or is damaged or cut off.")


def decode_frames() -> Iterator[tuple[float, Any]]:
    """``(second, frame)`` for all of the file, in order, within the bounds."""
    import av

    container, stream = open_stream("video")
    _refuse_size(stream.codec_context.width, stream.codec_context.height)
    stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}  # also where the coded size is not the told one
    rate = float(stream.average_rate or 25)
    count, second = 0, -1.0
    try:
        for frame in container.decode(stream):
            _refuse_size(frame.width, frame.height)
            count += 1
            if count > MOST_FRAMES:
                refuse(f"has more than {MOST_FRAMES:,} frames.")
            second = max(second + 1e-6, frame.time if frame.time is not None else count / rate)
            _refuse_length(second)
            yield second, frame
    except av.FFmpegError:
        if count == 0:
            refuse("cannot be decoded: it is damaged or cut off.")
        # what could be decoded of a file that was cut off is a video


def _refuse_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        refuse(f"is {width}x{height} pixels large, and {MOST_PIXELS:,} pixels are the most.")
    if min(width, height) < LEAST_SIDE and width:
        refuse(f"is {width}x{height} pixels small, and {LEAST_SIDE} a side are the least.")


def at_rate(frames: Iterator[tuple[float, Any]], fps: float) -> Iterator[Any]:
    """The frame that is on the screen at each tick of ``fps``, from the first frame to the last."""
    shown, start, tick = None, 0.0, 0
    for second, frame in frames:
        if shown is None:
            start = second
        while shown is not None and start + tick / fps < second - 0.5 / fps:
            yield shown
            tick += 1
        shown = frame
    if shown is not None:
        yield shown


def _pixels(frame: Any, said: dict[str, Any]) -> Any:
    """``(height, width, 3)``: upright, square pixels, scaled to what covers the clip where it is larger."""
    import numpy as np

    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    width, height = (said["height"], said["width"]) if turns % 2 else (said["width"], said["height"])
    factor = min(1.0, max(width / frame.width, height / frame.height))
    scaled = frame.reformat(
        width=max(1, math.ceil(frame.width * factor)), height=max(1, math.ceil(frame.height * factor)), format="rgb24"
    )
    return np.ascontiguousarray(np.rot90(scaled.to_ndarray(), turns))


# --- sound -------------------------------------------------------------------------------------------------------


def audio(said: dict[str, Any], out: BinaryIO) -> None:
    """At ``rate``, as long as it is and no longer than ``seconds``. One channel stays one; more become two."""
    import av

    container, stream = open_stream("audio")
    channels = 1 if stream.codec_context.layout.nb_channels == 1 else 2
    resampler = av.AudioResampler(format="flt", layout=("mono", "stereo")[channels - 1], rate=said["rate"])
    _say(out, {"channels": channels})
    left_bytes = round(said["seconds"] * said["rate"]) * channels * 4
    written_bytes = 0
    try:
        for frame in [*_sounds(container, stream, av), None]:
            for piece in resampler.resample(frame):
                content = piece.to_ndarray().tobytes()[:left_bytes]
                out.write(content)
                left_bytes -= len(content)
                written_bytes += len(content)
            if left_bytes <= 0:
                return
    except av.FFmpegError:
        pass
    if not written_bytes:
        refuse("holds no sound that can be decoded.")


def _sounds(container: Any, stream: Any, av: Any) -> Iterator[Any]:
    try:
        yield from container.decode(stream)
    except av.FFmpegError:
        return  # what could be decoded of a file that was cut off is a sound


def _say(out: BinaryIO, what: dict[str, Any]) -> None:
    out.write(json.dumps(what).encode() + b"\n")


def main() -> None:
    said = json.loads(sys.argv[1])
    held = confine()
    import av

    try:
        if said["kind"] == "nothing":
            _say(sys.stdout.buffer, {"held": held})
        else:
            {"video": video, "audio": audio}[said["kind"]](said, sys.stdout.buffer)
    except (av.FFmpegError, MemoryError, OverflowError, ValueError) as problem:
        refuse(f"cannot be decoded ({type(problem).__name__}).")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
