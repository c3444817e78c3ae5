"""Decodes footage: frames at a clip's own rate, each as a screen shows it. Runs in the sandbox.

Each frame is on the screen from its own time until the next one's, the last for as long as it lasts, and the first
from the moment at which anything of the file begins.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from gpu_worker.media import bounds, colour
from gpu_worker.media.container import open_stream, start_of
from gpu_worker.media.reply import Reply

_ALPHA_DECODERS: Final = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame, the time at which it appears, and the time at which the next one does or would."""

    second: float
    end: float
    frame: Any
    aspect: float


def read(said: dict[str, Any], reply: Reply) -> None:
    """Send frames at the clip's own rate, so that what moves keeps its speed, no larger than the clip has use for."""
    ticks = at_rate(decode_frames(), said["fps"])
    kept = deque(ticks, maxlen=said["last"]) if said.get("last") else islice(ticks, said["first"])
    before, picture = None, None
    for shown in kept:
        if shown is not before:  # one that stands still is turned into pixels once
            picture, before = pixels(shown, said["width"], said["height"]), shown
        assert picture is not None
        reply.send_picture(picture)
    if before is None:
        bounds.refuse("holds no frames, or is damaged or cut off.")


def decode_frames() -> Iterator[Shown]:
    """All of the file, in order, within the bounds."""
    import av

    container, stream = open_stream("video")
    bounds.refuse_size(stream.codec_context.width, stream.codec_context.height)
    # also where the coded size is not the told one
    stream.codec_context.options = {"max_pixels": str(bounds.MOST_PIXELS)}
    rate = float(stream.average_rate or 25)
    aspect = float(stream.sample_aspect_ratio or 1)
    second, before = start_of(container), None
    try:
        for count, frame in enumerate(_frames(container, stream), 1):
            bounds.refuse_size(*colour.square_size(frame.width, frame.height, aspect))
            if frame.colorspace in colour.UNREAD_MATRICES:
                bounds.refuse(f"has colours of a kind that is not read here (matrix {frame.colorspace} of H.273).")
            if count > bounds.MOST_FRAMES:
                bounds.refuse(f"has more than {bounds.MOST_FRAMES:,} frames.")
            if before is not None:
                second = max(second + 1e-6, frame.time if frame.time is not None else count / rate)
                yield Shown(before.second, second, before.frame, aspect)
            lasts = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else 1 / rate
            bounds.refuse_length(second + lasts)
            before = Shown(second, (frame.time if frame.time is not None else second) + lasts, frame, aspect)
    except av.FFmpegError:
        if before is None:
            bounds.refuse("cannot be decoded: it is damaged or cut off.")
        # what could be decoded of a file that was cut off is a video
    if before is not None:
        yield before


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """Every frame, transparent ones with what makes them so: of VP8 and VP9 only their makers' decoder reads that."""
    import av

    decoder = _ALPHA_DECODERS.get(stream.codec_context.name)
    if decoder is None or stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) != "1":
        yield from container.decode(stream)
        return
    reader: Any = av.CodecContext.create(decoder, "r")
    reader.thread_count = 1
    for packet in container.demux(stream):
        yield from reader.decode(packet)


def at_rate(frames: Iterator[Shown], fps: float) -> Iterator[Shown]:
    """What is on the screen at each tick of ``fps``, from the first frame to the end of the last; at least one."""
    start, tick = None, 0
    for shown in frames:
        start = shown.second if start is None else start
        while start + tick / fps < shown.end - 0.5 / fps:
            yield shown
            tick += 1
    if start is not None and tick == 0:
        yield shown


def pixels(shown: Shown, width: int, height: int) -> colour.Pixels:
    """``(height, width, 3)``: upright, square pixels, scaled to what covers that size where it is larger."""
    turn = colour.turn_of(shown.frame)
    wanted = (height, width) if turn.is_transposed else (width, height)
    width, height = colour.square_size(shown.frame.width, shown.frame.height, shown.aspect)
    factor = min(1.0, max(wanted[0] / width, wanted[1] / height))
    size = max(1, math.ceil(width * factor)), max(1, math.ceil(height * factor))
    return turn.applied(colour.pixels_of(shown.frame, colour.Colour.of(shown.frame), *size))
