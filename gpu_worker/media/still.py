"""Decodes a HEIC or AVIF: the picture as a screen shows it, on a white page. Runs in the sandbox.

The decoders are those of videos. A photo of a phone is a grid of tiles, which are decoded one after the other.
"""

from __future__ import annotations

import math
import sys
from itertools import chain
from typing import Any, BinaryIO, Final

import numpy as np
from PIL import Image

from gpu_worker.media import bounds, colour, heif, heif_boxes
from gpu_worker.media.colour import Colour, Pixels
from gpu_worker.media.profile import by_profile
from gpu_worker.media.reply import Reply

_BT601: Final = 6


def read(said: dict[str, Any], reply: Reply) -> None:
    """Send the main picture, scaled to what covers the clip where it is larger."""
    reply.send_picture(decode(sys.stdin.buffer, said["width"], said["height"]))


def decode(file: BinaryIO, least_width: int, least_height: int) -> Pixels:
    """``(height, width, 3)`` of the main picture, made smaller as long as it covers the given size."""
    try:
        still = heif.read_still(file)
    except heif_boxes.Damaged as problem:
        bounds.refuse(f"is damaged or cut off: {problem}.")
    except heif_boxes.Foreign as problem:
        bounds.refuse(f"{problem}, which is not read here.")
    bounds.refuse_size(still.width, still.height, bounds.MOST_STILL_PIXELS)
    is_sideways = sum(quarters for what, quarters in still.turns if what == "turn") % 2
    width, height = (least_height, least_width) if is_sideways else (least_width, least_height)
    factor = min(1.0, max(width / still.width, height / still.height))
    size = max(1, math.ceil(still.width * factor)), max(1, math.ceil(still.height * factor))
    pixels = _decoded(file, still, size)
    if still.profile:
        shown = by_profile(Image.fromarray(pixels), still.profile)
        pixels = np.asarray(shown) if shown is not None else pixels
    if still.alpha is not None:
        bounds.refuse_size(still.alpha.width, still.alpha.height, bounds.MOST_STILL_PIXELS)
        share = np.asarray(_decoded(file, still.alpha, size)[..., :1] / 255, np.float32)
        pixels = colour.on_white(pixels, share)
    return _turned(pixels, still.turns)


def _decoded(file: BinaryIO, still: heif.Still, size: tuple[int, int]) -> Pixels:
    """``(height, width, 3)`` of the picture at ``size``."""
    import av

    decoder: Any = av.CodecContext.create(still.codec, "r")
    if still.codec == "hevc":
        decoder.extradata = still.configuration
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(bounds.MOST_STILL_PIXELS)}
    frames = (_frame(file, decoder, tile) for tile in still.tiles)
    first = next(frames)
    if (first.width, first.height) == (still.width, still.height):
        return colour.pixels_of(first, _colour_of(first, still), *size)
    width, height = first.width, first.height
    if width * still.columns < still.width or height * (len(still.tiles) // still.columns) < still.height:
        bounds.refuse("is not as large as it says: it is damaged.")
    canvas = np.empty((still.height, still.width, 3), np.uint8)
    for number, frame in enumerate(chain([first], frames)):
        pixels = colour.pixels_of(frame, _colour_of(frame, still), width, height)
        top, left = number // still.columns * height, number % still.columns * width
        place = canvas[top : top + height, left : left + width]
        place[:] = pixels[: place.shape[0], : place.shape[1]]
    return colour.pixels_of(av.VideoFrame.from_ndarray(canvas, format="rgb24"), colour.SRGB, *size)


def _frame(file: BinaryIO, decoder: Any, spans: tuple[heif.Span, ...]) -> Any:
    import av

    content = b""
    for start, length in spans:
        file.seek(start)
        content += file.read(length)
    frames = [*decoder.decode(av.Packet(content)), *decoder.decode(None)]
    decoder.flush_buffers()
    if not frames:
        bounds.refuse("is damaged or cut off: a part of it cannot be decoded.")
    return frames[0]


def _colour_of(frame: Any, still: heif.Still) -> Colour:
    """What the container says goes before what the coded picture says; what neither says is JPEG's."""
    said = Colour.of(frame)
    if still.code_points is not None:
        primaries, transfer, matrix, is_full = still.code_points
        said = Colour(primaries, transfer, matrix, colour.FULL_RANGE if is_full else colour.LIMITED_RANGE)
    matrix = _BT601 if said.matrix == colour.UNKNOWN else said.matrix
    if still.profile:  # which says the rest
        return Colour(1, 13, matrix, said.range)
    return Colour(said.primaries, said.transfer, matrix, said.range)


def _turned(pixels: Pixels, turns: tuple[tuple[str, int], ...]) -> Pixels:
    for what, how in turns:
        pixels = np.rot90(pixels, how) if what == "turn" else pixels[:, ::-1] if how else pixels[::-1]
    return np.ascontiguousarray(pixels)
