"""Faults that take minutes to show."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark them ``chaos``, and leave them to the run that asks for it. Each has a short form that every run has."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.chaos)
            if "chaos" not in config.option.markexpr:
                item.add_marker(pytest.mark.skip(reason="'make chaos' runs it"))
