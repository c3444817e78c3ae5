"""Decodes sound: samples at one rate, each where the file's own clock has it. Runs in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gpu_worker.media import bounds
from gpu_worker.media.container import open_stream, start_of
from gpu_worker.media.reply import Reply

_JITTER_SECONDS = 0.02
"""Clocks of containers are rounded; a gap is longer than that."""
_SAMPLE_BYTES = 4


def read(said: dict[str, Any], reply: Reply) -> None:
    """Send what is heard, no longer than ``seconds``. One channel stays one; more become two."""
    import av

    container, stream = open_stream("audio")
    channels = 1 if stream.codec_context.layout.nb_channels == 1 else 2
    resampler = av.AudioResampler(format="flt", layout=("mono", "stereo")[channels - 1], rate=said["rate"])
    reply.say({"channels": channels})
    left_bytes = round(said["seconds"] * said["rate"]) * channels * _SAMPLE_BYTES
    is_heard = False
    try:
        for silent_seconds, frame in _sounds(container, stream):
            pieces = [bytes(round(silent_seconds * said["rate"]) * channels * _SAMPLE_BYTES)] if silent_seconds else []
            pieces += [piece.to_ndarray().tobytes() for piece in resampler.resample(frame)]
            for content in pieces:
                reply.send_bytes(content[:left_bytes])
                left_bytes -= min(left_bytes, len(content))
            is_heard = is_heard or len(pieces) > bool(silent_seconds)
            if left_bytes <= 0:
                return
    except av.FFmpegError:
        pass
    if not is_heard:
        bounds.refuse("holds no sound that can be decoded.")


def _sounds(container: Any, stream: Any) -> Iterator[tuple[float, Any]]:
    """``(seconds of silence before it, frame)``, and at last None for what the resampler still has."""
    import av

    start = start_of(container)
    heard_until = 0.0
    try:
        for frame in container.decode(stream):
            begins = frame.time - start if frame.time is not None else heard_until
            gap = begins - heard_until
            silent_seconds = min(gap, float(bounds.MOST_SECONDS)) if gap > _JITTER_SECONDS else 0.0
            heard_until += silent_seconds + frame.samples / frame.sample_rate
            yield silent_seconds, frame
    except av.FFmpegError:
        pass  # what could be decoded of a file that was cut off is a sound
    yield 0.0, None
