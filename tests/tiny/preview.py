"""The preview model, as a fresh machine has it."""

from __future__ import annotations

import shutil
from pathlib import Path

from gpu_worker.preview.checkpoint import SHIPPED


def build(folder: Path) -> Path:
    """Copy the pipeline into ``folder``."""
    shutil.copytree(SHIPPED, folder)
    return folder
