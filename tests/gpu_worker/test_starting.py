"""What the worker process does when it cannot get ready."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

import gpu_worker.engine
from gpu_worker.__main__ import main
from gpu_worker.worker_process import ALLOCATOR, worker_environment


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


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, ALLOCATOR), ({"PYTORCH_ALLOC_CONF": "own:1"}, "own:1"), ({"PYTORCH_CUDA_ALLOC_CONF": "own:1"}, None)],
)
def test_the_worker_s_allocator_is_set_unless_somebody_did(
    environment: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert worker_environment().get("PYTORCH_ALLOC_CONF") == expected


@pytest.mark.parametrize(("own", "expected"), [("", "cache/compiled"), ("/elsewhere", "/elsewhere")])
def test_compiled_kernels_outlive_the_machine_s_restart(
    own: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    if own:
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", own)
    assert worker_environment(tmp_path / "cache")["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / expected)
