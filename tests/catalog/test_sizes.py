"""Sizes are spelled 1280x720 by rows and programs, and read 1280 × 720 by people."""

from __future__ import annotations

from django.template import Context, Template

from catalog.sizes import Size, in_words


def test_people_read_a_size_in_one_piece() -> None:
    assert in_words(Size(1280, 720)) == in_words("1280x720") == "1280\u00a0×\u00a0720"


def test_what_is_no_size_is_left_as_it_is() -> None:
    assert in_words("default") == "default"
    assert in_words(Size(1, 8)) == "1\u00a0×\u00a08"


def test_a_page_writes_a_size_or_a_width_and_a_height() -> None:
    page = Template('{% load sizes %}{{ "832x480"|pixels }}, {{ width|pixels:height }}')
    assert page.render(Context({"width": 96, "height": 64})) == "832\u00a0×\u00a0480, 96\u00a0×\u00a064"
