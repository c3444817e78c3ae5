"""A header that says more than it holds, or the same without end, is damaged, and is found so in little memory."""

from __future__ import annotations

import io
import struct
import tracemalloc
from collections.abc import Callable
from itertools import pairwise

import pytest

from gpu_worker.media import formats, heif, heif_boxes
from gpu_worker.media.headers import faults
from tests.heif_files import Coded, box, full, heif_of

TILE = Coded(b"hvc1", b"\x01" + bytes(22), bytes(64), (64, 64))
MOST_PEAK_BYTES = 10 * 2**20
"""Five times what a description may have. The worst of these files took 160 MB, in 38 KB."""

REASONS = "more parts|more pieces|twice|again and again|middle of a number"


def _places(count: int, spans: int) -> bytes:
    entry = struct.pack(">H", spans) + b"\x00" * spans
    return full(
        b"iloc", 0, b"\x01\x00", struct.pack(">H", count), *(struct.pack(">HH", n, 0) + entry for n in range(count))
    )


def _described(*boxes: bytes) -> bytes:
    return box(b"ftyp", b"heic", bytes(4), b"mif1heic") + full(b"meta", 0, *boxes)


def _properties(*assignments: bytes, held: bytes = b"") -> bytes:
    return _described(box(b"iprp", box(b"ipco", held or box(b"free")), *assignments))


def _widely_assigned() -> bytes:
    entries = [struct.pack(">HB", number, 255) + b"\x01" * 255 for number in range(8_000)]
    return full(b"ipma", 0, struct.pack(">I", len(entries)), *entries)


HEIC: dict[str, Callable[[], bytes]] = {
    "properties counted past their box": lambda: _properties(
        *[full(b"ipma", 0, struct.pack(">I", 4_000))] * 4, box(b"free", b"\xff" * 2**20), held=box(b"free") * 127
    ),
    "many properties an item": lambda: _properties(_widely_assigned()),
    "one item's properties again and again": lambda: _properties(
        full(b"ipma", 0, struct.pack(">I", 8_000), *[struct.pack(">HB", 1, 60) + b"\x01" * 60] * 8_000)
    ),
    "many boxes of properties": lambda: _properties(*[full(b"ipma", 0, struct.pack(">IHBB", 1, 1, 1, 1))] * 9),
    "many properties": lambda: _properties(held=box(b"free") * 250_000),
    "many sets of properties": lambda: _described(
        box(b"iprp", *[box(b"ipco", box(b"free") * 8_000), full(b"ipma", 0, struct.pack(">IHBB", 1, 1, 1, 1))] * 4)
    ),
    "references counted past their box": lambda: _described(
        full(
            b"iref", 0, *[box(b"dimg", struct.pack(">HH", n, 4_096)) for n in range(1_500)], box(b"free", bytes(8_192))
        )
    ),
    "many references": lambda: _described(
        full(b"iref", 0, *[box(b"dimg", struct.pack(">HH", n, 4_000), bytes(8_000)) for n in range(240)])
    ),
    "many kinds of references": lambda: _described(
        full(b"iref", 0, *[box(struct.pack(">I", n), struct.pack(">HH", 1, 0)) for n in range(170_000)])
    ),
    "two boxes of references": lambda: _described(*[full(b"iref", 0, box(b"dimg", struct.pack(">HHH", 1, 1, 1)))] * 2),
    "many items": lambda: _described(
        full(b"iinf", 0, bytes(2), *[full(b"infe", 3, struct.pack(">IH4s", n, 0, b"hvc1")) for n in range(90_000)])
    ),
    "places counted past their box": lambda: _described(
        full(b"iloc", 0, b"\x00\x00", struct.pack(">H", 8_000)), box(b"free", bytes(2**20))
    ),
    "many places": lambda: _described(_places(8_000, 16)),
    "one item's places again and again": lambda: _described(
        full(b"iloc", 0, b"\x00\x00", struct.pack(">H", 8_000), *[struct.pack(">HHH", 1, 0, 16)] * 8_000)
    ),
}


def _peak_bytes_of(work: Callable[[], None]) -> int:
    work()  # what is imported and kept on the way
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("what", HEIC)
def test_a_heic_that_says_more_than_a_picture_has_is_damaged_and_takes_little_memory(what: str) -> None:
    content = HEIC[what]()

    def read() -> None:
        with pytest.raises(heif_boxes.Damaged, match=REASONS):
            heif.read_still(io.BytesIO(content))

    assert _peak_bytes_of(read) < MOST_PEAK_BYTES


def test_the_largest_grid_is_read() -> None:
    still = heif.read_still(io.BytesIO(heif_of([TILE] * heif_boxes.MOST_TILES, columns=64, size=(4096, 4096))))
    assert (len(still.tiles), still.columns) == (heif_boxes.MOST_TILES, 64)
    assert all(second[0][0] - first[0][0] == 64 for first, second in pairwise(still.tiles))


# --- videos -------------------------------------------------------------------------------------------------------


def _mkv(*elements: bytes) -> bytes:
    ebml = b"\x1a\x45\xdf\xa3\x8b\x42\x82\x88matroska"
    return ebml + b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff" + b"".join(elements)


def _element(name: bytes, content: bytes) -> bytes:
    return name + (2**56 + len(content)).to_bytes(8) + content


def _track(*parts: bytes) -> bytes:
    return _element(b"\x16\x54\xae\x6b", _element(b"\xae", _element(b"\x83", b"\x01") + b"".join(parts)))


def _mp4(*boxes: bytes) -> bytes:
    return box(b"ftyp", b"isom", bytes(4), b"isom") + box(b"moov", *boxes)


VIDEOS: dict[str, Callable[[], bytes]] = {
    "tracks, MP4": lambda: _mp4(box(b"trak") * 250_000),
    "boxes, MP4": lambda: _mp4(box(b"mvex") * 250_000),
    "a length past its box, MP4": lambda: _mp4(box(b"mvhd"), box(b"free", bytes(100))),
    "tracks, MKV": lambda: _mkv(b"\xae\x80" * 900_000),
    "elements, MKV": lambda: _mkv(b"\xec\x80" * 900_000),
    "a number without end, MKV": lambda: _mkv(
        _element(b"\x15\x49\xa9\x66", _element(b"\x44\x89", b"\x3f\x80\x00\x00")),
        _element(b"\x15\x49\xa9\x66", _element(b"\x2a\xd7\xb1", b"\xff" * 2**10)),
        _track(),
    ),
    "a width without end, MKV": lambda: _mkv(
        _track(_element(b"\xe0", _element(b"\xb0", b"\xff" * 2**12) + _element(b"\xba", b"\x40")))
    ),
}


@pytest.mark.parametrize("what", VIDEOS)
def test_a_video_whose_header_never_ends_is_damaged_and_takes_little_memory(what: str) -> None:
    content = VIDEOS[what]()
    found = formats.format_of(content[: formats.HEAD_BYTES])
    assert found is not None

    def read() -> None:
        assert faults.find_fault(io.BytesIO(content), found, "video") == "is damaged or cut off."

    assert _peak_bytes_of(read) < MOST_PEAK_BYTES
