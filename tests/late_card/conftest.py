"""The simulated card, built once for this machine, and reset for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from gpu_worker.engine import Cuda, Engine
from tests.engine.conftest import models, quiet_single_thread, repos
from tests.late_card.build import NoCompiler, compiled
from tests.late_card.card import KIND, Card

__all__ = ["models", "quiet_single_thread", "repos"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what is marked ``card`` to the run that asks for it: it takes minutes."""
    if "card" not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker("card"):
                item.add_marker(pytest.mark.skip(reason="'make card' runs it"))


@pytest.fixture(scope="session")
def the_card(request: pytest.FixtureRequest) -> Card:
    """The card of this test process: PyTorch takes one such backend, and for good."""
    try:
        return Card(compiled(request.config.cache.mkdir("late_card")))
    except NoCompiler as refusal:
        pytest.skip(str(refusal))


@pytest.fixture
def card(the_card: Card) -> Iterator[Card]:
    """The card as it comes out of its box. After the test, nothing may have depended on luck."""
    the_card.reset()
    with torch.compiler.set_stance("force_eager"):  # the processor calculates: compiling for it would take minutes
        yield the_card
    assert the_card.hazards == []


EngineOnCard = Callable[..., Engine]


@pytest.fixture
def engine_on_card(card: Card, repos: Path, tmp_path: Path) -> EngineOnCard:
    """``engine_on_card()``: an engine over the models of ``repos`` and the simulated card, which it may use as it is.

    Arguments are those of ``Cuda``. Copies of weights have a GiB of main memory.
    """

    def made(**changes: Any) -> Engine:
        figures = {"host_bytes": 2**30, "pinned_bytes": 2**29, **changes}
        return Engine(device=Cuda(kind=KIND, **figures), models=repos, cache=tmp_path / "card")

    return made
