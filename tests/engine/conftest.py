"""Tiny checkpoints built once per session by the real classes, and an engine on the CPU."""

from __future__ import annotations

from pathlib import Path

import diffusers
import pytest
import torch
import transformers

from gpu_worker.engine import Cpu, Engine
from tests.single_precision import convolutions_in_single_precision
from tests.tiny import cogvideox, ltx

__all__ = ["convolutions_in_single_precision"]


@pytest.fixture(autouse=True, scope="session")
def quiet_single_thread() -> None:
    """Two threads make tiny models ten times slower; progress bars hide what pytest says."""
    torch.set_num_threads(1)
    for library in (diffusers.utils.logging, transformers.utils.logging):
        library.set_verbosity_error()
        library.disable_progress_bar()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one tiny checkpoint of two families, named like the family."""
    folder = tmp_path_factory.mktemp("models")
    ltx.build(folder / "ltx")
    cogvideox.build(folder / "cogvideox")
    return folder


@pytest.fixture(scope="session")
def repos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models that weigh megabytes: ``one``, ``two`` (LTX) and ``cog`` with one text encoder, ``own`` with another. And
    ``small``, for what is done over and over: it has every part, and two blocks of each that has more than one."""
    folder = tmp_path_factory.mktemp("repos")
    ltx.build(folder / "one", seed=1, width=192, layers=3)
    ltx.build(folder / "two", seed=2, width=192, layers=3)
    ltx.build(folder / "own", seed=3, width=192, layers=3, text_seed=9)
    cogvideox.build(folder / "cog", seed=4, width=192, layers=3)
    ltx.build(folder / "small", layers=2)
    return folder


@pytest.fixture
def engine(models: Path, tmp_path: Path) -> Engine:
    """An engine with plenty of room."""
    return Engine(device=Cpu(2**30), models=models, cache=tmp_path / "cache")
