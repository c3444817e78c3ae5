"""The machine that figures were measured on, in one line without names."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def facts() -> str:
    """Cores, memory, Python and torch."""
    ram_gib = psutil.virtual_memory().total / 1024**3
    return (
        f"{os.cpu_count()} cores ({processor()}), {ram_gib:.0f} GiB RAM, "
        f"Python {platform.python_version()}, torch {version('torch')}"
    )
