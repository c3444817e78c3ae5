from __future__ import annotations

from pathlib import Path

import pytest

from loremotion.csv_lines import csv_line

ROOT = Path(__file__).resolve().parent.parent


def test_it_works() -> None:
    assert csv_line(["a, b", "", None, 3]) == '"a, b",,,3\r\n'


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_text_that_a_spreadsheet_would_run_is_shown_as_text(start: str) -> None:
    assert csv_line([f"{start}cmd|x", 1]).replace('"', "") == f"'{start}cmd|x,1\r\n"


def test_a_number_below_zero_stays_a_number() -> None:
    assert csv_line([-5]) == "-5\r\n"


def test_no_table_leaves_by_another_way() -> None:
    tops = ("accounts", "billing", "generation", "loremotion")
    modules = [path for top in tops for path in (ROOT / top).rglob("*.py")]
    writers = {str(path.relative_to(ROOT)) for path in modules if "csv.writer" in path.read_text()}
    shown_in_a_form = {"generation/pages/batch_rows.py"}  # and read back, so that nothing may be put before a prompt
    assert writers == {"loremotion/csv_lines.py"} | shown_in_a_form
