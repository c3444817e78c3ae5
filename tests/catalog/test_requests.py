"""From what somebody asks to exactly what will be rendered, or a refusal that says what to ask instead."""

from __future__ import annotations

from copy import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.requests import Ask, resolve
from loremotion.refusals import Invalid
from tests.catalog.factories import draft_version

VERSION = draft_version(
    modes=["text", "image", "frames", "extend"],
    presets={
        "standard": {"steps": 30, "guidance_scale": 3.0},
        "distilled": {"steps": 3, "timesteps": [1000, 900, 500], "guidance_scale": 1.0},
    },
    prices={p: {"480p": 1, "720p": 2} for p in ("standard", "distilled")},
)


def test_what_is_not_said_has_the_models_default() -> None:
    request = resolve(Ask(prompt="  a fox  "), VERSION)
    assert (request.prompt, request.mode, request.preset, request.steps) == ("a fox", "text", "standard", 30)
    assert (request.width, request.height, request.num_frames, request.fps) == (704, 480, 121, 24)
    assert request.call == {"guidance_scale": 3.0}
    assert 0 <= request.seed < 2**32


@pytest.mark.parametrize(
    ("inputs", "mode"),
    [
        ({}, "text"),
        ({"image": "k"}, "image"),
        ({"image": "k", "last_image": "l"}, "frames"),
        ({"video": "v"}, "extend"),
    ],
)
def test_the_files_that_came_decide_the_mode_when_none_is_named(inputs: dict[str, str], mode: str) -> None:
    assert resolve(Ask(prompt="x", inputs=inputs), VERSION).mode == mode


@pytest.mark.parametrize(
    ("asked", "code", "told"),
    [
        ({"prompt": " "}, "invalid_prompt", "empty"),
        ({"prompt": "a\x00"}, "invalid_prompt", "NUL"),
        ({"prompt": "x" * 2_001}, "invalid_prompt", "Shorten it by 1"),
        ({"negative_prompt": "x" * 2_001}, "invalid_negative_prompt", "Shorten it by 1"),
        ({"mode": "control"}, "invalid_mode", "Choose one of: text, image, frames, extend"),
        ({"mode": "image"}, "invalid_image", "needs a file for 'image'"),
        ({"mode": "text", "inputs": {"image": "k"}}, "invalid_image", "doesn't use 'image'"),
        ({"inputs": {"audio": "k"}}, "invalid_audio", "doesn't use 'audio'"),
        ({"size": "640x480"}, "invalid_size", "Choose one of: 704x480, 1216x704"),
        ({"seconds": 0.5}, "invalid_seconds", "1 to 5 seconds"),
        ({"seconds": float("nan")}, "invalid_seconds", "1 to 5 seconds"),
        ({"seconds": float("inf")}, "invalid_seconds", "1 to 5 seconds"),
        ({"preset": "best"}, "invalid_preset", "Choose one of: standard, distilled"),
        ({"steps": 0}, "invalid_steps", "1 to 50 steps"),
        ({"steps": 51}, "invalid_steps", "1 to 50 steps"),
        ({"preset": "distilled", "steps": 4}, "invalid_steps", "made for 3 steps"),
        ({"seed": -1}, "invalid_seed", "whole number"),
        ({"seed": 2**32}, "invalid_seed", "whole number"),
    ],
)
def test_what_the_model_cannot_serve_is_refused_with_what_it_can(asked: dict[str, Any], code: str, told: str) -> None:
    with pytest.raises(Invalid, match=told) as refused:
        resolve(Ask(**{"prompt": "x", **asked}), VERSION)
    assert refused.value.code == code


def test_a_model_of_one_length_says_so_as_people_do() -> None:
    only = copy(VERSION)
    only.max_seconds = only.min_seconds
    with pytest.raises(Invalid, match="makes 1-second clips only"):
        resolve(Ask(prompt="x", seconds=3), only)


def test_a_schedule_takes_its_own_number_of_steps() -> None:
    assert resolve(Ask(prompt="x", preset="distilled", steps=3), VERSION).steps == 3


@given(st.floats(1, 5))
def test_the_clip_has_a_length_that_the_pipeline_makes_without_rounding(seconds: float) -> None:
    request = resolve(Ask(prompt="x", seconds=seconds), VERSION)
    assert VERSION.family_facts.frames.allows(request.num_frames)
    assert abs(request.seconds - seconds) <= 8 / 24
