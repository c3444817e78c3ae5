"""A card that dies in the middle of a clip: nobody waits for it for ever."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from gpu_worker.contract import Progress
from gpu_worker.engine import FatalDeviceError
from gpu_worker.engine.cards.shared_engine import SharedEngine
from tests.cards.renders import job_of, render


def test_the_attempt_ends_with_the_card_that_dies(cards: SharedEngine, models: Path, tmp_path: Path) -> None:
    def kill_one(progress: Progress) -> None:
        if progress.kind == "step":
            os.kill(cards.processes[0].pid, signal.SIGKILL)

    with pytest.raises(FatalDeviceError):
        render(cards, job_of("wan", "text", models), tmp_path / "lost", on_progress=kill_one)
    assert all(process.wait() for process in cards.processes)
