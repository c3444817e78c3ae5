"""A clip of two cards is that of one, bit by bit; what cannot be shared is made on one. What lies on each of them."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gpu_worker.contract import Progress
from gpu_worker.engine import Engine, RenderStopped
from gpu_worker.engine.cards.shared_engine import SharedEngine
from gpu_worker.engine.cards.shared_render import refusal
from gpu_worker.engine.snapshots import render_snapshots
from gpu_worker.snapshot_files import SnapshotFiles
from tests.cards.renders import job_of, render
from tests.patience import wait_until

SHARED = [("wan", "text"), ("ltx", "image"), ("ltx2", "image"), ("ltx2_sound", "sound")]


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


@pytest.mark.parametrize(("family", "mode"), SHARED)
def test_the_frames_are_those_of_one_card(
    one_card: Engine,
    cards: SharedEngine,
    models: Path,
    tmp_path: Path,
    family: str,
    mode: str,
    heard: pytest.LogCaptureFixture,
) -> None:
    job = job_of(family, mode, models)
    shared = render(cards, job, tmp_path / "shared")
    assert "one card" not in heard.text
    by_one = render(one_card, job, tmp_path / "one")
    assert np.array_equal(shared.raw.frames, by_one.raw.frames)
    if shared.raw.audio is not None and by_one.raw.audio is not None:
        assert np.array_equal(shared.raw.audio.samples, by_one.raw.audio.samples)


def test_a_timestep_for_all_tokens_is_not_cut_with_them(
    one_card: Engine, cards: SharedEngine, models: Path, tmp_path: Path
) -> None:
    """LTX's pipeline for presets with timesteps of their own gives it as a batch of one."""
    job = replace(job_of("ltx", "text", models), call={"timesteps": [1000, 500]})
    shared = render(cards, job, tmp_path / "shared")
    assert np.array_equal(shared.raw.frames, render(one_card, job, tmp_path / "one").raw.frames)


def test_halves_of_a_batch_make_the_frames_of_one_card_up_to_rounding(
    one_card: Engine, cards: SharedEngine, models: Path, tmp_path: Path, heard: pytest.LogCaptureFixture
) -> None:
    """CogVideoX has no plan for its sequence; its guidance is a batch of two."""
    job = job_of("cogvideox", "text", models)
    shared = render(cards, job, tmp_path / "shared")
    assert "one card" not in heard.text
    by_one = render(one_card, job, tmp_path / "one")
    assert np.abs(shared.raw.frames.astype(int) - by_one.raw.frames.astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("family", "speed", "why"),
    [
        ("hunyuan", {}, "nobody has a plan for the transformer of HunyuanVideo"),
        ("wan", {"cards": "one"}, "its row says so"),
    ],
)
def test_what_cannot_be_shared_is_made_on_one_card_with_the_reason_in_the_log(
    cards: SharedEngine,
    models: Path,
    tmp_path: Path,
    heard: pytest.LogCaptureFixture,
    family: str,
    speed: dict[str, object],
    why: str,
) -> None:
    job = job_of(family, "text", models)
    frames = render(cards, replace(job, model=replace(job.model, speed=speed)), tmp_path / "clip")
    assert len(frames.raw.frames) == job.num_frames
    assert why in heard.text


class TimeIsUp(Exception):
    """What the worker has ``should_stop`` raise then."""


@pytest.mark.parametrize("ends_with", [RenderStopped, TimeIsUp])
def test_a_clip_that_is_not_wanted_or_too_slow_ends_on_both_cards_and_the_next_is_shared(
    cards: SharedEngine,
    models: Path,
    tmp_path: Path,
    heard: pytest.LogCaptureFixture,
    ends_with: type[Exception],
) -> None:
    job = job_of("wan", "text", models)
    steps: list[Progress] = []

    def should_stop() -> bool:
        if _made(steps) >= 1 and ends_with is TimeIsUp:
            raise TimeIsUp
        return _made(steps) >= 1

    with pytest.raises(ends_with):
        render(cards, job, tmp_path / "stopped", on_progress=steps.append, should_stop=should_stop)
    assert _made(steps) == 1
    assert len(render(cards, job, tmp_path / "next").raw.frames) == job.num_frames
    assert "one card" not in heard.text


def test_a_cache_that_decides_by_what_it_sees_is_not_shared(models: Path) -> None:
    job = job_of("wan", "text", models)
    cached = replace(job, model=replace(job.model, speed={"first_block_cache": {}}))
    assert refusal(cached, 2) == "with first_block_cache each card would skip other steps"


def test_a_clip_that_goes_on_from_a_snapshot_is_shared_from_there(
    one_card: Engine,
    cards: SharedEngine,
    models: Path,
    tmp_path: Path,
    heard: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(render_snapshots, "MOST_COST", float("inf"))  # a tiny step takes less time than a file
    job, steps = replace(job_of("wan", "text", models), steps=3), list[Progress]()
    files = SnapshotFiles(tmp_path / "snapshots", every_seconds=0.0)
    with pytest.raises(RenderStopped):
        render(
            cards,
            job,
            tmp_path / "stopped",
            on_progress=steps.append,
            should_stop=lambda: _made(steps) >= 2,
            snapshots=files,
        )
    resumed = render(cards, replace(job, attempt=2), tmp_path / "resumed", snapshots=files)
    assert resumed.resumed_from_step == 2
    assert "one card" not in heard.text
    assert np.array_equal(resumed.raw.frames, render(one_card, job, tmp_path / "one").raw.frames)


def used_bytes(cards: SharedEngine) -> list[int]:
    return [card.used_bytes for card in cards.status().cards]


@pytest.fixture
def nothing_kept(cards: SharedEngine) -> None:
    for resident in cards.status().residents:
        cards.evict(resident.key)
    wait_until(lambda: used_bytes(cards) == [0, 0])


@pytest.mark.usefixtures("nothing_kept")
def test_a_model_that_the_cards_would_share_is_loaded_on_each_and_leaves_each(
    cards: SharedEngine, models: Path
) -> None:
    cards.preload(job_of("wan", "text", models).model)
    wait_until(lambda: all(used_bytes(cards)))
    first, second = cards.status().cards
    assert (first.used_bytes, first.budget_bytes, first.name) == (second.used_bytes, second.budget_bytes, "cpu")
    for resident in cards.status().residents:
        assert cards.evict(resident.key)
    wait_until(lambda: used_bytes(cards) == [0, 0])


@pytest.mark.usefixtures("nothing_kept")
def test_one_that_is_made_on_one_card_is_loaded_there_alone(cards: SharedEngine, models: Path) -> None:
    cards.preload(job_of("hunyuan", "text", models).model)
    cards.preload(job_of("wan", "text", models).model)  # which the other card comes to after that
    wait_until(lambda: used_bytes(cards)[1] > 0)
    first, second = used_bytes(cards)
    assert first > second


@pytest.mark.parametrize(("family", "busy"), [("wan", [True, True]), ("hunyuan", [True, False])])
def test_whether_a_card_has_part_in_the_clip_is_said_while_it_is_made(
    cards: SharedEngine, models: Path, tmp_path: Path, family: str, busy: list[bool]
) -> None:
    seen: list[list[bool]] = []

    def look(progress: Progress) -> None:
        if progress.kind == "step" and progress.step == 1:
            seen.append([card.is_busy for card in cards.status().cards])

    render(cards, job_of(family, "text", models), tmp_path / "clip", on_progress=look)
    assert seen == [busy]
    assert not any(card.is_busy for card in cards.status().cards)


def _made(told: list[Progress]) -> int:
    return sum(progress.kind == "step" for progress in told)
