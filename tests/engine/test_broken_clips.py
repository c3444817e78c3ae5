"""A clip that nobody can have asked for is told by its file, and one that is merely dark, still or grainy is not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpu_worker.engine import Engine
from gpu_worker.engine.errors import ClipBroken
from gpu_worker.engine.video.broken_clips import Fault, Remark, Signs, measure_signs
from gpu_worker.engine.video.clip import Frames, enlarge, show_frame, write_clip
from gpu_worker.sounds import Audio
from tests.engine.jobs import render, render_job

SHAPE = (8, 96, 128, 3)
CHANCE = np.random.default_rng(7)


def flat(grey: int) -> Frames:
    return np.full(SHAPE, grey, np.uint8)


def noise() -> Frames:
    return CHANCE.integers(0, 256, SHAPE).astype(np.uint8)


def scene(*, light: float = 1.0, speed: int = 1, grain: float = 0.0) -> Frames:
    """A soft landscape that is panned by ``speed`` pixels a frame."""
    rows, columns = np.mgrid[0:96, 0:256]
    ground = 110 + 60 * np.sin(rows / 17) + 40 * np.cos(columns / 11 + rows / 23)
    frames = np.stack([ground[:, speed * index : speed * index + 128] for index in range(SHAPE[0])])
    frames = frames * light + CHANCE.normal(0, grain, frames.shape) if grain else frames * light
    return np.clip(frames, 0, 255).astype(np.uint8)[..., None].repeat(3, axis=3)


def signs(folder: Path, frames: Frames, audio: Audio | None = None, **look: Any) -> Signs:
    write_clip(folder / "clip.mp4", frames, 8, audio=audio)
    return measure_signs(folder / "clip.mp4", **look)


@pytest.mark.parametrize(
    ("make", "fault"),
    [(lambda: flat(0), Fault.BLACK), (lambda: flat(130), Fault.UNIFORM), (noise, Fault.NOISE)],
)
def test_a_broken_clip_is_found(tmp_path: Path, make: Callable[[], Frames], fault: Fault) -> None:
    assert signs(tmp_path, make()).fault is fault


@pytest.mark.parametrize(
    "frames",
    [scene(), scene(light=0.1), scene(grain=12), scene(light=0.3, grain=6), 255 - scene(light=0.2)],
    ids=["day", "night", "grain", "dark grain", "white ground"],
)
def test_a_clip_that_shows_something_is_none(tmp_path: Path, frames: Frames) -> None:
    found = signs(tmp_path, frames)
    assert (found.fault, found.remark) == (None, None)


def test_a_still_picture_and_a_flickering_one_are_remarked_and_no_fault(tmp_path: Path) -> None:
    still = signs(tmp_path, scene(speed=0))
    assert (still.fault, still.remark) == (None, Remark.FROZEN)
    flicker = signs(tmp_path, np.stack([scene()[0] if n % 2 else 255 - scene()[0] for n in range(8)]))
    assert (flicker.fault, flicker.remark) == (None, Remark.FLICKER)


def test_a_single_picture_is_judged_by_what_it_shows(tmp_path: Path) -> None:
    found = signs(tmp_path, scene()[:1])
    assert (found.fault, found.remark) == (None, None)
    assert signs(tmp_path, flat(0)[:1]).fault is Fault.BLACK


@pytest.mark.parametrize(("loudness", "fault"), [(0.0, Fault.SILENT), (0.2, None)])
def test_sound_that_was_to_be_made_can_be_heard(tmp_path: Path, loudness: float, fault: Fault | None) -> None:
    tone = loudness * np.sin(np.arange(48_000)[None] / 20).astype(np.float32)
    assert signs(tmp_path, scene(), Audio(tone, 48_000)).fault is fault
    assert signs(tmp_path, scene(), Audio(tone, 48_000), is_heard=False).fault is None


def test_words_in_the_corner_do_not_hide_that_all_else_is_black(tmp_path: Path) -> None:
    marked = np.stack([show_frame(frame, 1, "LoreMotion") for frame in flat(0)])
    assert signs(tmp_path, marked).fault is None
    assert signs(tmp_path, marked, rows=80).fault is Fault.BLACK


def test_noise_stays_noise_where_it_is_enlarged(tmp_path: Path) -> None:
    small = noise()[:, :48, :64]
    assert signs(tmp_path, np.stack([enlarge(frame, 4) for frame in small]), upscale=4).fault is Fault.NOISE


def test_of_a_continuation_only_the_new_part_is_judged(tmp_path: Path) -> None:
    assert signs(tmp_path, np.concatenate([scene(), flat(0)]), first_frame=8).fault is Fault.BLACK


def test_a_render_that_came_out_black_is_no_clip(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = render_job(watermark="LoreMotion", width=128, height=96)
    monkeypatch.setattr("gpu_worker.engine.video.writer.show_frame", lambda frame, *_: show_frame(0 * frame, 1, "L"))
    assert render(engine, job, tmp_path / "unjudged").facts.remark == ""
    with pytest.raises(ClipBroken, match="came out black"):
        render(engine, dataclasses.replace(job, is_judged=True), tmp_path / "judged")
