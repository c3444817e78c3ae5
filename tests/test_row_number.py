"""A row's number in an address or a form: plain digits, no more than the database counts."""

from __future__ import annotations

import pytest

from loremotion.row_number import row_number


def test_plain_digits_are_a_number() -> None:
    assert [row_number(text) for text in ("0", "7", "007", "9" * 18)] == [0, 7, 7, 10**18 - 1]


@pytest.mark.parametrize("text", [None, "", "-1", "1.0", "1e3", " 7", "²", "٣", "inf", "true", "9" * 19, "9" * 5_000])
def test_anything_else_names_no_row(text: str | None) -> None:
    assert row_number(text) is None
