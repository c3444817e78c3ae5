"""A real supervisor over a worker process with the scripted engine."""

from __future__ import annotations

import logging
import os
import sys

from gpu_worker.settings import Settings
from gpu_worker.supervisor import NameTaken, Supervisor


def main() -> int:
    logging.basicConfig(level="INFO", format="%(asctime)s supervisor %(message)s")
    command = sys.argv[1:] or [sys.executable, "-m", "tests.gpu_worker.scripted_worker"]
    try:
        status = Supervisor(Settings.from_environment(), command).run()
    except NameTaken as refusal:
        sys.stderr.write(f"{refusal}\n")
        return os.EX_UNAVAILABLE
    heavy = {"torch", "diffusers", "gpu_worker.engine", "av"} & set(sys.modules)
    assert not heavy, f"the supervisor imported {heavy}"
    return status


if __name__ == "__main__":
    sys.exit(main())
