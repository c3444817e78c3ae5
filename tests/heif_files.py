"""Small HEIC and AVIF files as phones and encoders write them."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from PIL import Image

from gpu_worker.media import heif


@dataclass(frozen=True, slots=True)
class Coded:
    """A picture that an encoder made, and what its decoder has to know."""

    kind: bytes
    configuration: bytes
    content: bytes
    size: tuple[int, int]


def hevc_of(picture: Image.Image) -> Coded:
    """The picture as H.265, BT.601 and full range, which is what cameras write."""
    file = io.BytesIO()
    with av.open(file, "w", format="hevc") as container:
        stream: Any = container.add_stream("libx265", rate=Fraction(1))
        stream.width, stream.height, stream.pix_fmt = *picture.size, "yuv444p"
        stream.options = {"x265-params": "log-level=none:qp=4:pools=1:info=0", "preset": "ultrafast"}
        stream.codec_context.color_range, stream.codec_context.colorspace = 2, 6
        frame = av.VideoFrame.from_image(picture).reformat(
            format="yuv444p", dst_colorspace=5, src_color_range=2, dst_color_range=2
        )
        frame.pts, frame.time_base = 0, Fraction(1)
        container.mux([*stream.encode(frame), *stream.encode(None)])
    units = [unit for unit in re.split(b"\x00\x00\x00?\x01", file.getvalue()) if unit]
    sets = [unit for unit in units if 32 <= unit[0] >> 1 <= 34]
    arrays = [struct.pack(">BHH", unit[0] >> 1, 1, len(unit)) + unit for unit in sets]
    configuration = bytes([1, *bytes(20), 0xFF, len(sets)]) + b"".join(arrays)
    slices = [struct.pack(">I", len(unit)) + unit for unit in units if unit[0] >> 1 < 32]
    return Coded(b"hvc1", configuration, b"".join(slices), picture.size)


def av1_of(picture: Image.Image) -> Coded:
    """The picture as AV1."""
    file = io.BytesIO()
    picture.save(file, "AVIF", quality=95, subsampling="4:4:4")
    still = heif.read_still(file)
    ((start, length),) = still.tiles[0]
    return Coded(b"av01", still.configuration, file.getvalue()[start : start + length], picture.size)


def box(name: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), name) + content


def full(name: bytes, version: int, *parts: bytes) -> bytes:
    return box(name, bytes([version, 0, 0, 0]), *parts)


def colour_box(primaries: int, transfer: int, matrix: int, *, is_full: bool) -> bytes:
    return box(b"colr", b"nclx", struct.pack(">HHHB", primaries, transfer, matrix, is_full << 7))


def heif_of(
    tiles: list[Coded], *, columns: int = 1, size: tuple[int, int] | None = None, properties: tuple[bytes, ...] = ()
) -> bytes:
    """A file with one picture, of one part or as a grid of them."""
    width, height = size or tiles[0].size
    is_grid, whole = len(tiles) > 1, len(tiles) + 1
    first = tiles[0]
    brand = b"heic" if first.kind == b"hvc1" else b"avif"
    configuration = box(b"hvcC" if first.kind == b"hvc1" else b"av1C", first.configuration)
    held = [configuration, full(b"ispe", 0, struct.pack(">II", *first.size)), *properties]
    main = [0x81, 2, *(0x80 | number for number in range(3, 3 + len(properties)))]
    associations = [struct.pack(">HB", number, 2) + bytes([0x81, 2]) for number in range(1, len(tiles) + 1)]
    kinds = [full(b"infe", 2, struct.pack(">HH4sx", number, 0, first.kind)) for number in range(1, len(tiles) + 1)]
    grid = b""
    if is_grid:
        held.append(full(b"ispe", 0, struct.pack(">II", width, height)))
        main = [len(held), *(0x80 | number for number in range(3, 3 + len(properties)))]
        associations.append(struct.pack(">HB", whole, len(main)) + bytes(main))
        kinds.append(full(b"infe", 2, struct.pack(">HH4sx", whole, 0, b"grid")))
        grid = struct.pack(">BBBBHH", 0, 0, len(tiles) // columns - 1, columns - 1, width, height)
    else:
        associations = [struct.pack(">HB", 1, len(main)) + bytes(main)]

    def meta(data_at: int) -> bytes:
        places, at = [], data_at
        for number, tile in enumerate(tiles, 1):
            places.append(struct.pack(">HHHHII", number, 0, 0, 1, at, len(tile.content)))
            at += len(tile.content)
        if is_grid:
            places.append(struct.pack(">HHHHII", whole, 1, 0, 1, 0, len(grid)))
        numbers = range(1, len(tiles) + 1)
        return full(
            b"meta",
            0,
            full(b"hdlr", 0, bytes(4), b"pict", bytes(13)),
            full(b"pitm", 0, struct.pack(">H", whole if is_grid else 1)),
            full(b"iloc", 1, bytes([0x44, 0]), struct.pack(">H", len(places)), *places),
            full(b"iinf", 0, struct.pack(">H", len(kinds)), *kinds),
            full(b"iref", 0, box(b"dimg", struct.pack(f">HH{len(tiles)}H", whole, len(tiles), *numbers)))
            if is_grid
            else b"",
            box(b"iprp", box(b"ipco", *held), full(b"ipma", 0, struct.pack(">I", len(associations)), *associations)),
            box(b"idat", grid) if is_grid else b"",
        )

    beginning = box(b"ftyp", brand, bytes(4), b"mif1", brand, b"miaf")
    data_at = len(beginning) + len(meta(0)) + 8
    return beginning + meta(data_at) + box(b"mdat", *(tile.content for tile in tiles))


def tiles_of(picture: Image.Image, side: int, code: Any) -> list[Coded]:
    """The picture in squares, the last ones filled up, each coded."""
    across, down = -(-picture.width // side), -(-picture.height // side)
    whole = np.pad(
        np.asarray(picture),
        ((0, down * side - picture.height), (0, across * side - picture.width), (0, 0)),
        mode="edge",
    )
    return [
        code(Image.fromarray(whole[y * side : (y + 1) * side, x * side : (x + 1) * side]))
        for y in range(down)
        for x in range(across)
    ]
