"""SeaCache in every mode that offers it: it is told what it asks, and decides by the clip's own latents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.hooks.sea_cache import SeaCacheSharedState

from gpu_worker.engine import Engine
from gpu_worker.families import FAMILIES
from gpu_worker.families.speed import caches_that_work
from tests.engine.jobs import render
from tests.families.checkpoints import checkpoint_for
from tests.families.test_modes import job_for, loaded

STEPS = 4
OFFERED = {
    (f.name, f.modes[mode].pipeline): mode
    for f in FAMILIES.values()
    for mode in f.modes
    if "sea_cache" in caches_that_work(f, [mode])
}
"""A mode by family and pipeline: those of one pipeline call the transformer alike."""


@pytest.mark.parametrize(("family", "mode"), [(family, mode) for (family, _), mode in OFFERED.items()])
def test_it_skips_what_it_may_and_is_never_left_in_the_dark(
    family: str, mode: str, models: Path, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """diffusers computes every step, with a line in its log, wherever it is not told what it needs."""
    decided: list[tuple[int, float, bool]] = []
    seen: list[torch.Tensor] = []
    decide: Any = SeaCacheSharedState.resolve_gate

    def noted(self: Any, state: Any, metadata: Any, indicator: Any, config: Any) -> bool:
        is_first = state.previous_indicator is None  # of two experts the second begins later
        computes: bool = decide(self, state, metadata, indicator, config)
        assert computes == (is_first or metadata.step_index == STEPS - 1)
        decided.append((metadata.step_index, metadata.sigma, computes))
        seen.extend(metadata.raw_vision)
        return computes

    def refuse(self: Any, message: str) -> None:
        raise AssertionError(message)

    monkeypatch.setattr(SeaCacheSharedState, "resolve_gate", noted)
    monkeypatch.setattr(SeaCacheSharedState, "mark_fail_open", refuse)
    wanted = job_for(family, mode, checkpoint_for(family, mode, models))
    model = replace(wanted.model, speed={"sea_cache": {"threshold": 100.0}})
    inputs = {role: loaded(role) for role in FAMILIES[family].modes[mode].needs}
    render(engine, replace(wanted, model=model, steps=STEPS), tmp_path, inputs=inputs)

    assert (1, False) in {(step, computes) for step, _, computes in decided}
    sigmas = sorted({sigma for _, sigma, _ in decided}, reverse=True)
    assert len(sigmas) == STEPS
    assert sigmas == [next(sigma for step, sigma, _ in decided if step == number) for number in range(STEPS)]
    assert len({video.shape for video in seen}) == 1
    assert seen[0].shape[2] * wanted.width == seen[0].shape[3] * wanted.height
