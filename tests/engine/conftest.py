"""Tiny checkpoints of every family, built once per session by the real classes, and an engine on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import diffusers
import pytest
import torch
import transformers

from gpu_worker.engine import Cpu, Engine
from tests.tiny import cogvideox, ltx

BUILDERS: dict[str, Callable[[Path], Path]] = {"ltx": ltx.build, "cogvideox": cogvideox.build}


@pytest.fixture(autouse=True, scope="session")
def quiet_single_thread() -> None:
    """Two threads make tiny models ten times slower; progress bars hide what pytest says."""
    torch.set_num_threads(1)
    for library in (diffusers.utils.logging, transformers.utils.logging):
        library.set_verbosity_error()
        library.disable_progress_bar()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one tiny checkpoint of each family, named like the family."""
    folder = tmp_path_factory.mktemp("models")
    for name, build in BUILDERS.items():
        build(folder / name)
    return folder


@pytest.fixture
def engine(models: Path, tmp_path: Path) -> Engine:
    """An engine with plenty of room."""
    return Engine(device=Cpu(2**30), models=models, cache=tmp_path / "cache")
