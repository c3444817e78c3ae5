from __future__ import annotations

from pathlib import Path

import diffusers
import pytest
import torch
import transformers

from gpu_worker.engine import Cpu, Engine


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what is marked ``seeds`` to the run that asks for it: it takes minutes."""
    if "seeds" not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker("seeds"):
                item.add_marker(pytest.mark.skip(reason="'make seeds' runs it"))


@pytest.fixture(autouse=True, scope="session")
def quiet_single_thread() -> None:
    """Two threads make tiny models ten times slower; progress bars hide what pytest says."""
    torch.set_num_threads(1)
    for library in (diffusers.utils.logging, transformers.utils.logging):
        library.set_verbosity_error()
        library.disable_progress_bar()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def engine(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """One engine for all families, so that what they share is loaded once."""
    return Engine(device=Cpu(2**31), models=models, cache=tmp_path_factory.mktemp("cache"))
