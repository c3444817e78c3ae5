"""Joins clips that are alike into one MP4, without encoding anything anew. Runs in the sandbox, and writes no file.

The given file holds them one behind the other. What the first says of itself to machines, that a model made it, stands
behind the last box again: the film says so too.
"""

from __future__ import annotations

import io
import struct
import sys
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final

from gpu_worker.media import bounds
from gpu_worker.media.formats import CODECS
from gpu_worker.media.reply import Reply

_XMP_BOX: Final = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_MOST_BOXES: Final = 1000
_SAME: Final = ("name", "width", "height", "pix_fmt", "sample_rate", "extradata")
"""Of a codec's context: where one of these differs, a player would need to begin anew."""


def read(said: dict[str, Any], reply: Reply) -> None:
    """Send the clips on standard input, which have these ``said["sizes"]`` in bytes, as one."""
    clips = [io.BytesIO(sys.stdin.buffer.read(size)) for size in said["sizes"]]
    made = _joined(clips) + _xmp_box(clips[0].getvalue())
    reply.say({"bytes": len(made)})
    reply.send_bytes(made)


def _joined(clips: list[io.BytesIO]) -> bytes:
    import av

    options = {"protocol_whitelist": "none", "enable_drefs": "0", "max_streams": str(bounds.MOST_STREAMS)}
    given = [av.open(clip, format="mp4", options=options) for clip in clips]
    _refuse_unlike(given)
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as film:
        film.metadata.update({name: given[0].metadata[name] for name in ("comment",) if name in given[0].metadata})
        streams = [film.add_stream_from_template(stream) for stream in _streams(given[0])]
        begins = Fraction(0)
        for clip in given:
            own = _streams(clip)
            number_of = {stream.index: number for number, stream in enumerate(own)}
            for packet in clip.demux(own):
                if packet.dts is None:
                    continue  # the last one, which is empty
                stream = streams[number_of[packet.stream.index]]
                later = round(begins / packet.time_base)
                packet.pts, packet.dts = packet.pts + later, packet.dts + later
                packet.stream = stream
                film.mux(packet)
            begins += _length(own[0])
    return out.getvalue()


def _streams(container: Any) -> list[Any]:
    """Its video, and its sound where it has any."""
    found = [*container.streams.video[:1], *container.streams.audio[:1]]
    if not container.streams.video:
        bounds.refuse(bounds.no_stream("video"))
    for kind, streams in (("video", found[:1]), ("audio", found[1:])):
        if any(stream.codec_context.name not in CODECS[kind] for stream in streams):
            bounds.refuse("has a codec that is not read here.")
    return found


def _refuse_unlike(given: list[Any]) -> None:
    for one, other in pairwise(_streams(clip) for clip in given):
        if len(one) != len(other):
            bounds.refuse("has sound, and another one has none.")
        for name in _SAME:
            if [getattr(s.codec_context, name, None) for s in one] != [
                getattr(s.codec_context, name, None) for s in other
            ]:
                bounds.refuse(f"has another {name} than the one before.")


def _length(stream: Any) -> Fraction:
    """Seconds of the clip, by its pictures."""
    return Fraction(stream.duration) * stream.time_base if stream.duration else Fraction(0)


def _xmp_box(clip: bytes) -> bytes:
    """The clip's box with its XMP packet; empty where it has none."""
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > len(clip):
            break
        size, kind = struct.unpack_from(">I4s", clip, at)
        if size == 1 and at + 16 <= len(clip):
            size = struct.unpack_from(">Q", clip, at + 8)[0]
        elif kind == b"uuid" and clip[at + 8 : at + 24] == _XMP_BOX:
            return clip[at : at + size]
        if size < 8:
            break
        at += size
    return b""
