"""Reads what a HEIC or AVIF says of its picture: where its parts lie, how they are coded, laid out and turned.

What ISO/IEC 23008-12 puts into boxes (``heif_boxes``), and of it what files of phones and encoders have. Decodes
nothing, and needs the standard library alone: the site asks before a request is taken, the sandbox before it decodes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Final

from gpu_worker.media.heif_boxes import MOST_ITEMS, MOST_TILES, Damaged, Foreign, Numbers, boxes, meta_box

MOST_SPANS: Final = 16
"""In which one part of a picture lies."""
_MOST_REFERENCES: Final = 2 * MOST_ITEMS
_MOST_PROPERTIES: Final = 64
"""Of one item."""
_MOST_ASSIGNMENTS: Final = 4
"""Boxes that say which item has which property: one for each way to write them."""
_CODECS: Final = {b"hvc1": "hevc", b"av01": "libdav1d"}
_ALPHA: Final = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
MATRICES: Final = frozenset({0, 1, 2, 4, 5, 6, 7, 8, 9, 10})
"""Code points that ``gpu_worker.media.colour`` reads; not ICtCp and the like."""
Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """A picture. ``tiles`` lie row by row, each a list of spans of the file; one that is no grid is one tile."""

    width: int
    height: int
    codec: str
    configuration: bytes
    tiles: tuple[tuple[Span, ...], ...]
    columns: int = 1
    code_points: tuple[int, int, int, bool] | None = None
    """Primaries, transfer, matrix, full range."""
    profile: bytes = b""
    turns: tuple[tuple[str, int], ...] = ()
    """In this order: ``("turn", quarters to the left)``; ``("mirror", 0)`` for top and bottom, 1 for left and right."""
    alpha: Still | None = None


def read_still(file: IO[Any]) -> Still:
    """What the file says of its main picture.

    Raises:
        Damaged: it is cut off, or its boxes contradict each other.
        Foreign: its picture is coded or put together in a way that is not read here.
    """
    try:
        meta, base = meta_box(file)
        end = file.seek(0, 2)
        still = _Items(meta, base).still()
        for tile in (*still.tiles, *(still.alpha.tiles if still.alpha else ())):
            if not tile or any(start < 0 or length <= 0 or start + length > end for start, length in tile):
                raise Damaged("a part lies outside of the file")
    except (struct.error, IndexError, KeyError) as problem:
        raise Damaged("its description contradicts itself") from problem
    return still


@dataclass(slots=True)
class _Item:
    kind: bytes = b""
    spans: list[Span] = field(default_factory=list)
    is_within_meta: bool = False
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)
    references: dict[bytes, list[int]] = field(default_factory=dict)

    def property(self, name: bytes) -> bytes | None:
        return next((content for found, content in self.properties if found == name), None)


class _Items:
    """The items of a description, by their numbers."""

    def __init__(self, meta: bytes, base: int) -> None:
        self._meta = meta
        self._base = base
        self._items: dict[int, _Item] = {}
        self._primary = 0
        self._inner = (0, 0)
        self._references_left = _MOST_REFERENCES
        self._spans_left = _MOST_REFERENCES
        places: dict[bytes, Span] = {}
        for name, start, end in boxes(meta, 4, len(meta)):
            if name in places and name != b"free":
                raise Damaged("it says the same twice")
            places[name] = (start, end)
        for name, read in (
            (b"pitm", self._read_primary),
            (b"iinf", self._read_kinds),
            (b"iloc", self._read_places),
            (b"iref", self._read_references),
            (b"iprp", self._read_properties),
        ):
            if name in places:
                read(*places[name])
        self._inner = places.get(b"idat", (0, 0))

    def still(self) -> Still:
        """The main picture, with what makes it transparent."""
        return self._still(self._primary, alpha=self._alpha_of(self._primary))

    def _item(self, number: int) -> _Item:
        if number not in self._items and len(self._items) == MOST_ITEMS:
            raise Damaged("it has more parts than pictures have")
        return self._items.setdefault(number, _Item())

    # --- boxes -----------------------------------------------------------------------------------------------------

    def _read_primary(self, start: int, end: int) -> None:
        numbers = Numbers(self._meta, start, end)
        self._primary = numbers.next(2 if numbers.version() == 0 else 4)

    def _read_kinds(self, start: int, end: int) -> None:
        numbers = Numbers(self._meta, start, end)
        numbers.next(2 if numbers.version() == 0 else 4)
        for name, inner, inner_end in boxes(self._meta, numbers.at, end):
            entry = Numbers(self._meta, inner, inner_end)
            version = entry.version()
            if name == b"infe" and version >= 2:
                item = self._item(entry.next(2 if version == 2 else 4))
                entry.next(2)
                item.kind = entry.next(4).to_bytes(4)

    def _read_places(self, start: int, end: int) -> None:
        numbers = Numbers(self._meta, start, end)
        version = numbers.version()
        sizes = numbers.next(2)
        offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
        index_size = sizes & 15 if version else 0
        for _ in range(numbers.count(2 if version < 2 else 4, MOST_ITEMS)):
            item = self._item(numbers.next(2 if version < 2 else 4))
            method = numbers.next(2) & 15 if version else 0
            if method > 1:
                raise Foreign("takes its parts from other parts")
            item.is_within_meta = method == 1
            numbers.next(2)
            base = numbers.next(base_size)
            spans = numbers.next(2)
            if spans > MOST_SPANS:
                raise Foreign("lies in more pieces than files do")
            self._spans_left -= spans
            if item.spans or self._spans_left < 0:
                raise Damaged("it lies in more pieces than files do")
            for _ in range(spans):
                numbers.next(index_size)
                offset = numbers.next(offset_size)
                item.spans.append((base + offset, numbers.next(length_size)))

    def _read_references(self, start: int, end: int) -> None:
        size = 2 if Numbers(self._meta, start, end).version() == 0 else 4
        for name, inner, inner_end in boxes(self._meta, start + 4, end):
            numbers = Numbers(self._meta, inner, inner_end)
            item = self._item(numbers.next(size))
            count = numbers.count(2, min(MOST_TILES, self._references_left))
            self._references_left -= count
            item.references[name] = [numbers.next(size) for _ in range(count)]

    def _read_properties(self, start: int, end: int) -> None:
        found: list[tuple[bytes, bytes]] | None = None
        assignments = 0
        for name, inner, inner_end in boxes(self._meta, start, end):
            if name == b"ipco":
                if found is not None:
                    raise Damaged("it says the same twice")
                found = [(kind, self._meta[at:until]) for kind, at, until in boxes(self._meta, inner, inner_end)]
            elif name == b"ipma":
                assignments += 1
                if assignments > _MOST_ASSIGNMENTS:
                    raise Damaged("it says the same again and again")
                self._assign(found or [], inner, inner_end)

    def _assign(self, properties: list[tuple[bytes, bytes]], start: int, end: int) -> None:
        numbers = Numbers(self._meta, start, end)
        version = numbers.next(1)
        flags = numbers.next(3)
        for _ in range(numbers.count(4, MOST_ITEMS)):
            item = self._item(numbers.next(2 if version < 1 else 4))
            for _ in range(numbers.count(1, _MOST_PROPERTIES - len(item.properties))):
                index = numbers.next(2) & 0x7FFF if flags & 1 else numbers.next(1) & 0x7F
                if index:
                    item.properties.append(properties[index - 1])

    # --- pictures --------------------------------------------------------------------------------------------------

    def _alpha_of(self, number: int) -> Still | None:
        for other, item in self._items.items():
            if number in item.references.get(b"auxl", []):
                said = item.property(b"auxC")
                if said is not None and said[4:].split(b"\x00")[0] in _ALPHA:
                    return self._still(other)
        return None

    def _still(self, number: int, *, alpha: Still | None = None) -> Still:
        item = self._items[number]
        size = item.property(b"ispe")
        if size is None:
            raise Damaged("it does not say how large it is")
        width, height = struct.unpack_from(">II", size, 4)
        columns, parts = 1, [number]
        if item.kind == b"grid":
            columns, width, height = self._grid(item)
            parts = item.references.get(b"dimg", [])
            if not parts or len(parts) % columns:
                raise Damaged("a part is missing")
        tiles = [self._items[part] for part in parts]
        spans = {part: self._spans(self._items[part]) for part in parts}  # one part may stand in many places
        first = tiles[0]
        if first.kind not in _CODECS or any(tile.kind != first.kind for tile in tiles):
            raise Foreign(f"is coded as {first.kind.decode('ascii', 'replace')!r}")
        configuration = first.property(b"hvcC" if first.kind == b"hvc1" else b"av1C")
        if configuration is None:
            raise Damaged("it does not say how it is coded")
        _refuse_crop(item, width, height)
        code_points, profile = _colours(item if item.property(b"colr") is not None else first)
        return Still(
            width=width,
            height=height,
            codec=_CODECS[first.kind],
            configuration=configuration,
            tiles=tuple(spans[part] for part in parts),
            columns=columns,
            code_points=code_points,
            profile=profile,
            turns=tuple(_turns(item)),
            alpha=alpha,
        )

    def _grid(self, item: _Item) -> tuple[int, int, int]:
        """Columns, width and height, which lie in the description itself."""
        start = self._inner[0] + item.spans[0][0]
        if not item.is_within_meta or start < self._inner[0]:
            raise Foreign("keeps its layout outside of its description")
        numbers = Numbers(self._meta, start, self._inner[1])
        numbers.next(1)
        size = 4 if numbers.next(1) & 1 else 2
        rows, columns = numbers.next(1) + 1, numbers.next(1) + 1
        if rows * columns != len(item.references.get(b"dimg", [])):
            raise Damaged("a part is missing")
        return columns, numbers.next(size), numbers.next(size)

    def _spans(self, item: _Item) -> tuple[Span, ...]:
        shift = self._base + self._inner[0] if item.is_within_meta else 0
        return tuple((start + shift, length) for start, length in item.spans)


def _refuse_crop(item: _Item, width: int, height: int) -> None:
    """A clean aperture (``clap``) that shows all of the picture is none.

    Raises:
        Foreign: only a part is to be shown.
    """
    said = item.property(b"clap")
    if said is None:
        return
    wide, wide_by, high, high_by, right, _, down, _ = struct.unpack_from(">IIIIiIiI", said)
    if (wide, high) != (width * wide_by, height * high_by) or right or down:
        raise Foreign("shows a part of its picture alone (a clean aperture)")


def _colours(item: _Item) -> tuple[tuple[int, int, int, bool] | None, bytes]:
    code_points, profile = None, b""
    for name, content in item.properties:
        if name == b"colr" and content[:4] == b"nclx":
            *points, full = struct.unpack_from(">HHHB", content, 4)
            if points[2] not in MATRICES:
                raise Foreign(f"has its colours by a matrix (number {points[2]} of H.273)")
            code_points = (points[0], points[1], points[2], bool(full >> 7))
        elif name == b"colr" and content[:4] in (b"prof", b"rICC"):
            profile = content[4:]
    return code_points, profile


def _turns(item: _Item) -> Iterator[tuple[str, int]]:
    for name, content in item.properties:
        if name == b"irot":
            yield "turn", content[0] & 3
        elif name == b"imir":
            yield "mirror", content[0] & 1
