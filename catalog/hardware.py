"""Which card makes what: the table of docs/models.md, computed from the seeded rows. ``python -m catalog.hardware``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from catalog import documents
from catalog.sizes import Size
from gpu_worker.contract import ComponentSource, Stage
from gpu_worker.families import FAMILIES, family
from gpu_worker.families.activations import Shape
from gpu_worker.families.memory import (
    CARDS_GIB,
    GIB,
    PLACEMENTS,
    MemoryNeeds,
    memory_needs,
    stage_of,
    usable_bytes,
    weights_bytes,
)

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "models.md"
BEGIN, END = "<!-- hardware: begin -->\n", "<!-- hardware: end -->\n"
GB = 10**9


def hardware_table() -> str:
    """The table in Markdown: a line for each seeded row and size, a column for each card."""
    seeded = documents.read((ROOT / "catalog" / "seed.yaml").read_text())["models"]
    rows = {slug: row for slug, row in seeded.items() if row["version"]["family"] in FAMILIES}
    cards = " | ".join(f"{card} GB" for card in CARDS_GIB)
    lines = [f"| row | clip | {cards} |", "|---" * (2 + len(CARDS_GIB)) + "|"]
    for slug, row in rows.items():
        lines += _lines(slug, row["version"])
    return "".join(f"{line}\n" for line in lines)


def with_table(page: str) -> str:
    """``page`` with the table of today between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{hardware_table()}{END}{after}"


def _lines(slug: str, row: Mapping[str, Any]) -> Iterator[str]:
    made_by, whole = family(row["family"]), row["component_bytes"]
    sources = {name: ComponentSource.from_wire(source) for name, source in row.get("components", {}).items()}
    quantisation, dtype = row.get("quantisation", "none"), row.get("dtype", "bfloat16")
    sizes = weights_bytes(made_by, whole, quantisation, dtype=dtype, sources=sources)
    preset = row["presets"].get("standard") or next(iter(row["presets"].values()))
    num_frames = made_by.frames_for(row.get("default_seconds", 5), row["fps"])
    for size in _upright_or_lying(row["sizes"]):
        shape = Shape(
            family=made_by,
            width=size.width,
            height=size.height,
            num_frames=num_frames,
            transformer_bytes=whole["transformer"],
            mode=row["modes"][0],
            call=preset,
        )
        needs = memory_needs(sizes, shape)
        largest = max(size for name, size in sizes.items() if stage_of(name) is Stage.DENOISING)
        cells = " | ".join(_cell(needs, card, largest, shape.forwards) for card in CARDS_GIB)
        yield f"| `{slug}` | {size}, {num_frames} frames | {cells} |"


def _upright_or_lying(sizes: list[str]) -> list[Size]:
    """Each size once: of an upright one and the same lying, whichever comes first."""
    once: dict[frozenset[int], Size] = {}
    for size in map(Size.parse, sizes):
        once.setdefault(frozenset(size), size)
    return list(once.values())


def _cell(needs: MemoryNeeds, card_gib: int, transformer_bytes: int, forwards: int) -> str:
    usable = usable_bytes(card_gib * GIB)
    if needs.together_bytes <= usable:
        return f"resident {_show(needs.together_bytes)}"
    for placement in PLACEMENTS["auto"]:
        peak_bytes = needs.peak_bytes(placement)
        if peak_bytes > usable:
            continue
        if not placement.is_block_swapped:
            return f"{'tiles' if placement.is_decoding_tiled else 'leaves'} {_show(peak_bytes)}"
        at_its_best = needs.swapping_least(placement, usable)
        swapped_bytes = needs.swapped_bytes_a_forward(at_its_best, transformer_bytes)
        if not swapped_bytes:
            in_turn = replace(placement, swapped_bytes=needs.denoisers_bytes - transformer_bytes)
            return f"experts {_show(needs.peak_bytes(in_turn))}"
        return f"swap {_show(peak_bytes)}, {_show(forwards * swapped_bytes)} a step"
    return "no"


def _show(size_bytes: int) -> str:
    return f"{size_bytes / GB:.1f}" if size_bytes >= GB / 10 else "<0.1"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
