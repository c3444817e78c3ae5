"""The table by which people choose a card."""

from __future__ import annotations

import re

from catalog import documents
from catalog.hardware import BEGIN, END, PAGE, ROOT, hardware_table, with_table
from gpu_worker.families import FAMILIES


def test_the_table_of_the_page_is_that_of_the_rows() -> None:
    page = PAGE.read_text()
    assert BEGIN in page
    assert END in page
    assert with_table(page) == page, "python -m catalog.hardware writes it anew"


def test_every_seeded_row_has_a_line() -> None:
    seeded = documents.read((ROOT / "catalog" / "seed.yaml").read_text())["models"]
    rows = {slug: row for slug, row in seeded.items() if row["version"]["family"] in FAMILIES}
    assert set(re.findall(r"^\| `(.+?)` \|", hardware_table(), re.M)) == rows.keys()


def test_what_fits_a_card_fits_every_larger_one_and_no_cell_is_over_its_card() -> None:
    better = ["resident", "leaves", "tiles", "experts", "swap", "no"]
    for line in hardware_table().splitlines()[2:]:
        cells = [cell.split() for cell in line.strip("| ").split(" | ")[2:]]
        ranks = [better.index(cell[0]) for cell in cells]
        assert ranks == sorted(ranks, reverse=True), line
        for cell, card_gib in zip(cells, (16, 24, 32, 48, 80), strict=True):
            assert cell[0] == "no" or float(cell[1].strip("<,")) <= card_gib * 2**30 * 0.95 / 1e9, line
