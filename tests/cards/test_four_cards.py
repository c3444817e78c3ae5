"""The frames of four cards are those of one, also where the clip does not divide by four.

Up to rounding: of one or two tokens a card, which is what is left of a tiny clip, the processor multiplies another way.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gpu_worker.engine import Engine
from gpu_worker.engine.cards.shared_engine import SharedEngine
from tests.cards.renders import job_of, render

CARDS = 4


@pytest.mark.seeds
@pytest.mark.parametrize("width", [64, 96])
def test_the_frames_are_those_of_one_card_up_to_rounding(
    one_card: Engine,
    cards: SharedEngine,
    models: Path,
    tmp_path: Path,
    width: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    job = replace(job_of("ltx", "text", models), width=width, height=32)
    shared = render(cards, job, tmp_path / "shared")
    assert "one card" not in caplog.text
    by_one = render(one_card, job, tmp_path / "one")
    assert np.abs(shared.raw.frames.astype(int) - by_one.raw.frames.astype(int)).max() <= 1
