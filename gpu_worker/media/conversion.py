"""Turns a clip into what other programs take: a GIF, a WebM, or a picture of small stills. Runs in the sandbox, and
writes no file.

What is made is bounded: a GIF in size, rate and length, since each of its frames is a picture without motion.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from itertools import chain
from typing import Any, Final

from gpu_worker.media import bounds, footage
from gpu_worker.media.container import open_stream
from gpu_worker.media.reply import Reply

GIF, WEBM, SHEET = "gif", "webm", "jpg"
GIF_SIDE: Final = 480
GIF_FPS: Final = 15
GIF_SECONDS: Final = 20
MOST_BYTES: Final = 64 * 1024**2
_WEBM: Final = {"crf": "32", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "0", "threads": "1"}


def read(said: dict[str, Any], reply: Reply) -> None:
    """Send the clip on standard input as a file of ``said["format"]``."""
    makers: dict[str, Callable[[], bytes]] = {GIF: _gif, WEBM: _webm, SHEET: partial(_sheet, said)}
    made = makers[said["format"]]()
    if len(made) > MOST_BYTES:
        bounds.refuse("is too large when converted.")
    reply.say({"bytes": len(made)})
    reply.send_bytes(made)


def _gif() -> bytes:
    import av
    from av.filter import Graph

    out, graph = io.BytesIO(), Graph()
    graph.threads = 1
    frames = _small_frames()
    first = next(frames, None)
    if first is None:
        bounds.refuse("holds no frames, or is damaged or cut off.")
    source, sink = _with_palette(graph, first)
    with av.open(out, "w", format="gif") as file:
        stream = file.add_stream("gif", rate=GIF_FPS)
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, "pal8"
        stream.codec_context.thread_count = 1
        for index, frame in enumerate(chain([first], frames)):
            frame.pts, frame.time_base = index, Fraction(1, GIF_FPS)
            source.push(frame)
        source.push(None)
        for index, coloured in enumerate(_pulled(sink)):
            coloured.pts, coloured.time_base = index, Fraction(1, GIF_FPS)
            file.mux(stream.encode(coloured))
        file.mux(stream.encode(None))
    return out.getvalue()


def _pulled(sink: Any) -> Iterator[Any]:
    """What comes out of the filters once all is in."""
    import av

    while True:
        try:
            yield sink.pull()
        except (av.BlockingIOError, av.EOFError):
            return


def _with_palette(graph: Any, frame: Any) -> tuple[Any, Any]:
    """The ends of filters that choose 256 colours of the clip's own and turn frames like this one into them."""
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, GIF_FPS)
    )
    split, generate = graph.add("split"), graph.add("palettegen", "stats_mode=diff")
    use, sink = graph.add("paletteuse", "dither=bayer:bayer_scale=4"), graph.add("buffersink")
    source.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(generate, 1, 0)
    generate.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    return source, sink


def _small_frames() -> Iterator[Any]:
    for count, shown in enumerate(footage.at_rate(footage.decode_frames(), GIF_FPS)):
        if count >= GIF_FPS * GIF_SECONDS:
            return
        factor = min(1.0, GIF_SIDE / max(shown.frame.width, shown.frame.height))
        yield shown.frame.reformat(
            width=max(1, round(shown.frame.width * factor)),
            height=max(1, round(shown.frame.height * factor)),
            format="rgb24",
        )


def _sheet(said: dict[str, Any]) -> bytes:
    """A JPEG of stills in rows, each of what is on the screen when its part of the clip begins."""
    import av
    from av.filter import Graph

    size: dict[str, Any] = {"width": said["width"], "height": said["height"], "format": "yuv420p"}
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(**size, time_base=Fraction(1, 1))
    tile = graph.add("tile", f"layout={said['columns']}x{said['rows']}:nb_frames={said['stills']}")
    sink = graph.add("buffersink")
    source.link_to(tile)
    tile.link_to(sink)
    graph.configure()
    frame = None
    shown = footage.at_rate(footage.decode_frames(), said["stills"] / said["seconds"])
    for index in range(said["stills"]):
        found = next(shown, None)
        if found is not None:
            frame = found.frame.reformat(**size)
        if frame is None:
            bounds.refuse("holds no frames, or is damaged or cut off.")
        frame.pts, frame.time_base = index, Fraction(1, 1)
        source.push(frame)
    source.push(None)
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.thread_count = 1
    encoder.options = {"qmin": "3", "qmax": "3"}
    packets = []
    for sheet in _pulled(sink):
        encoder.width, encoder.height, encoder.pix_fmt = sheet.width, sheet.height, "yuvj420p"
        encoder.time_base = Fraction(1, 1)
        packets += encoder.encode(sheet.reformat(format="yuvj420p"))
    return b"".join(map(bytes, [*packets, *encoder.encode(None)]))


def _webm() -> bytes:
    """VP9, and the sound as Opus where the clip has any."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="webm") as file:
        stream, packets = None, []
        for shown in footage.decode_frames():
            if stream is None:
                stream = file.add_stream("libvpx-vp9", rate=_rate_of(shown), options=_WEBM)
                stream.width, stream.height, stream.pix_fmt = shown.frame.width, shown.frame.height, "yuv420p"
                stream.codec_context.thread_count = 1
            packets += stream.encode(shown.frame)
        if stream is None:
            bounds.refuse("holds no frames, or is damaged or cut off.")
        packets += stream.encode(None)
        packets += _opus(file)
        for packet in sorted(packets, key=lambda each: each.dts * each.time_base):
            file.mux(packet)
    return out.getvalue()


def _rate_of(shown: footage.Shown) -> Fraction:
    return Fraction(1 / (shown.end - shown.second)).limit_denominator(1001)


def _opus(file: Any) -> list[Any]:
    import av

    sys.stdin.buffer.seek(0)
    with av.open(sys.stdin.buffer, format="mp4") as given:
        if not given.streams.audio:
            return []
    sys.stdin.buffer.seek(0)
    container, sound = open_stream("audio")
    stream = file.add_stream("libopus", rate=48_000)
    resampler = av.AudioResampler(format="s16", layout="stereo", rate=48_000)
    stream.layout = "stereo"
    packets: list[Any] = []
    for frame in container.decode(sound):
        for part in resampler.resample(frame):
            packets += stream.encode(part)
    for part in resampler.resample(None):
        packets += stream.encode(part)
    return [*packets, *stream.encode(None)]
