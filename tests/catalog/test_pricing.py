"""The price: exact, rounded once, and never lower for more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import pytest
from django.template.defaultfilters import floatformat
from hypothesis import given
from hypothesis import strategies as st

from catalog.pricing import TIERS, Quote, quote, tier_of
from catalog.sizes import Size
from tests.catalog.factories import draft_version


@dataclass(frozen=True)
class Clip:
    mode: str = "text"
    preset: str = "standard"
    width: int = 704
    height: int = 480
    num_frames: int = 120
    fps: float = 24.0
    steps: int = 30


VERSION = draft_version()


def price(**asked: object) -> Quote:
    return quote(VERSION, replace(Clip(), **asked))  # type: ignore[arg-type]


def test_it_works() -> None:
    made = price()
    assert made.credits == 10
    assert made.to_json() == {
        "credits": 10,
        "lines": [{"label": "5 s of video, 704x480 (480p), standard, 30 steps", "millicredits": 10_000}],
    }


@pytest.mark.parametrize(
    ("asked", "credits"),
    [
        ({"num_frames": 121}, 11),
        ({"preset": "draft", "steps": 12}, 4),
        ({"width": 1216, "height": 704}, 20),
        ({"steps": 15}, 5),
        ({"num_frames": 9, "preset": "draft", "steps": 1}, 1),
        ({"num_frames": 120, "fps": 23.976}, 11),
        ({"num_frames": 24_000, "fps": 1000 / 1001 * 24}, 2002),
    ],
)
def test_the_sum_is_rounded_up_once_and_is_at_least_one(asked: dict[str, float], credits: int) -> None:
    assert price(**asked).credits == credits


def test_a_length_is_said_as_the_page_of_the_clip_says_it() -> None:
    assert price(num_frames=51).lines[0].label.startswith(f"{floatformat(51 / 24, '-2')} s of video")
    assert price(num_frames=51).lines[0].label.startswith("2.13 s")


def test_sound_and_modes_are_lines_of_their_own() -> None:
    version = draft_version(
        family="ltx2",
        surcharges={"audio": 250, "extend": 100},
        modes=["text", "extend"],
    )
    made = quote(version, Clip(mode="extend"))
    assert [(line.label, int(line.millicredits)) for line in made.lines] == [
        ("5 s of video, 704x480 (480p), standard, 30 steps", 10_000),
        ("5 s of sound", 1_250),
        ("5 s, continue a clip", 500),
    ]
    assert made.credits == 12
    assert len(quote(version, Clip()).lines) == 2


sizes = st.sampled_from([(704, 480), (640, 480), (1216, 704), (960, 544)])
presets = st.sampled_from(["draft", "standard"])
frames, steps, rates = st.integers(1, 3_000), st.integers(1, 100), st.sampled_from([8.0, 16.0, 23.976, 24.0, 29.97])


@given(sizes, presets, frames, steps, rates, st.integers(0, 500), st.integers(0, 50), sizes)
def test_more_never_costs_less(
    size: tuple[int, int],
    preset: str,
    num_frames: int,
    number_of_steps: int,
    fps: float,
    more_frames: int,
    more_steps: int,
    other: tuple[int, int],
) -> None:
    small, large = sorted([size, other], key=lambda s: s[0] * s[1])
    asked = {"preset": preset, "fps": fps}
    less = price(width=small[0], height=small[1], num_frames=num_frames, steps=number_of_steps, **asked)
    more = price(
        width=large[0],
        height=large[1],
        num_frames=num_frames + more_frames,
        steps=number_of_steps + more_steps,
        **asked,
    )
    assert 1 <= less.credits <= more.credits


@given(sizes, presets, frames, steps, rates)
def test_the_credits_are_the_exact_sum_of_the_lines_rounded_up(
    size: tuple[int, int], preset: str, num_frames: int, number_of_steps: int, fps: float
) -> None:
    made = price(width=size[0], height=size[1], num_frames=num_frames, steps=number_of_steps, preset=preset, fps=fps)
    exact = sum((line.millicredits for line in made.lines), Fraction(0))
    assert 0 <= made.credits * 1000 - exact < 1000
    assert isinstance(made.credits, int)


@given(st.integers(1, 3840), st.integers(1, 2176))
def test_every_size_has_the_smallest_tier_that_holds_it(width: int, height: int) -> None:
    tier = tier_of(Size(width, height))
    smaller = [pixels for name, pixels in TIERS.items() if list(TIERS).index(name) < list(TIERS).index(tier)]
    assert all(pixels < width * height for pixels in smaller)
    assert width * height <= TIERS[tier]
