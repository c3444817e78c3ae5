from __future__ import annotations

import pytest

from loremotion.csv_lines import csv_line


def test_it_works() -> None:
    assert csv_line(["a, b", "", None, 3]) == '"a, b",,,3\r\n'


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_text_that_a_spreadsheet_would_run_is_shown_as_text(start: str) -> None:
    assert csv_line([f"{start}cmd|x", 1]).replace('"', "") == f"'{start}cmd|x,1\r\n"


def test_a_number_below_zero_stays_a_number() -> None:
    assert csv_line([-5]) == "-5\r\n"
