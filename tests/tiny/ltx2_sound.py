"""LTX-2 with random weights: the pipeline that follows a sound takes the same parts."""

from __future__ import annotations

from pathlib import Path

from tests.tiny import ltx2


def build(folder: Path) -> Path:
    """Save the pipeline into ``folder``."""
    return ltx2.build(folder)
