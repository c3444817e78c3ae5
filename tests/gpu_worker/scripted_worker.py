"""The worker process with the scripted engine: what a supervisor under test starts."""

from __future__ import annotations

import argparse
import importlib.machinery
import importlib.util
import logging
import sys
from pathlib import Path

from gpu_worker.__main__ import work
from gpu_worker.parent_death import die_with
from gpu_worker.settings import Settings
from tests.gpu_worker.scripted import ScriptedEngine


def leave_torch_out() -> None:
    """Make the errors of the engine importable without its package, which takes seconds to load torch."""
    folder = Path(__file__).parents[2] / "gpu_worker" / "engine"
    spec = importlib.machinery.ModuleSpec("gpu_worker.engine", None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    sys.modules["gpu_worker.engine"] = importlib.util.module_from_spec(spec)


def main() -> int:
    leave_torch_out()
    parser = argparse.ArgumentParser()
    parser.add_argument("--lifeline", type=int)
    parser.add_argument("--supervisor", type=int)
    parser.add_argument("--budget-bytes", type=int, default=1_000_000)
    asked = parser.parse_args()
    if asked.supervisor is not None:
        die_with(asked.supervisor)
    logging.basicConfig(level="INFO")
    settings = Settings.from_environment() if asked.supervisor is None else Settings.from_supervisor()
    return work(settings, ScriptedEngine(budget_bytes=asked.budget_bytes), asked.lifeline)


if __name__ == "__main__":
    sys.exit(main())
