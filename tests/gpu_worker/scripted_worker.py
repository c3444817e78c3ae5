"""The worker process with the scripted engine: what a supervisor under test starts."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from gpu_worker.__main__ import die_with
from gpu_worker.lifeline import Lifeline
from gpu_worker.settings import Settings
from gpu_worker.valkey import connect
from gpu_worker.worker import GpuWorker
from tests.gpu_worker.scripted import ScriptedEngine


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lifeline", type=int)
    parser.add_argument("--supervisor", type=int)
    asked = parser.parse_args()
    if asked.supervisor is not None:
        die_with(asked.supervisor)
    logging.basicConfig(level="INFO")
    settings = Settings.from_environment()
    worker = GpuWorker(settings, ScriptedEngine(), Lifeline(asked.lifeline), connect(settings.redis_url))
    worker.work(logging_level=None)
    return os.EX_OK if worker.is_asked_to_stop else os.EX_SOFTWARE


if __name__ == "__main__":
    sys.exit(main())
