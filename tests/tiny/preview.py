"""The preview model with random weights: the checkpoint that a machine without the trained one makes."""

from __future__ import annotations

from pathlib import Path

from tests.tiny import cogvideox


def build(folder: Path) -> Path:
    """Save the pipeline into ``folder``."""
    return cogvideox.build(folder)
