"""What the worker process does when it cannot get ready."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

import gpu_worker.engine
from gpu_worker.__main__ import main


@pytest.mark.parametrize("error", [RuntimeError, ValueError, AttributeError, ImportError])
def test_a_worker_that_cannot_get_ready_says_why_and_is_not_started_again(
    error: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails() -> None:
        raise error("the card is of another world")

    monkeypatch.setattr(gpu_worker.engine, "device_from_environment", fails)
    for variable in ("MODELS", "CACHE", "SCRATCH"):
        monkeypatch.setenv(f"GPU_WORKER_{variable}", str(tmp_path / variable))
    with caplog.at_level(logging.ERROR):
        assert main(["--worker"]) == os.EX_CONFIG
    assert "the card is of another world" in capsys.readouterr().err + caplog.text
