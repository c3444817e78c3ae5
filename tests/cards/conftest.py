"""Processes on the CPU that make clips together, connected by gloo as cards are by NCCL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_worker.engine import Cpu, Engine
from gpu_worker.engine.cards.shared_engine import SharedEngine
from tests.engine.conftest import quiet_single_thread
from tests.single_precision import convolutions_in_single_precision

__all__ = ["convolutions_in_single_precision", "quiet_single_thread"]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where tiny checkpoints are built, on first use."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def one_card(models: Path, tmp_path: Path) -> Engine:
    """An engine with one card."""
    return Engine(device=Cpu(2**30), models=models, cache=tmp_path / "cache")


@pytest.fixture(scope="module")
def cards(
    request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedEngine]:
    """An engine with two cards, or as many as the module's ``CARDS``: a process has one such engine at a time."""
    cache = tmp_path_factory.mktemp("cache")
    others = ["cpu"] * (getattr(request.module, "CARDS", 2) - 1)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GPU_WORKER_BUDGET", "1GiB")
        engine = SharedEngine(device=Cpu(2**30), others=others, models=models, cache=cache, policy="lru")
    yield engine
    engine.close()
