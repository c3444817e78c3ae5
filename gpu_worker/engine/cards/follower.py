"""The process of a card that is not the first: makes its part of each step, and nothing that anybody keeps.

Started by ``followers``; its standard input and output are theirs, what it has to say to people goes to its log.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

from gpu_worker import log_context
from gpu_worker.contract import ModelSpec, RenderJob
from gpu_worker.engine import Engine, device_from_environment
from gpu_worker.engine.cards.group import CardGroup, connect
from gpu_worker.engine.cards.inputs_file import read_inputs
from gpu_worker.engine.cards.shared_render import SharedRender
from gpu_worker.engine.errors import FatalDeviceError
from gpu_worker.parent_death import die_with
from gpu_worker.snapshot_files import SnapshotFiles
from gpu_worker.worker_status import CardStatus

log = logging.getLogger(__name__)


class Line:
    """What this process and the worker say to each other."""

    def __init__(self, heard: BinaryIO, said: BinaryIO) -> None:
        self._heard, self._said = heard, said
        self.job = 0
        self.engine: Engine | None = None

    def say(self, message: dict[str, Any]) -> None:
        self._said.write(json.dumps(message).encode() + b"\n")
        self._said.flush()

    def say_memory(self) -> None:
        """Say what lies on this card."""
        assert self.engine is not None
        status, name = self.engine.status(), os.environ["GPU_WORKER_DEVICE"]
        card = CardStatus(name=name, budget_bytes=status.budget_bytes, used_bytes=status.used_bytes)
        self.say({"card": card.to_wire()})

    def next(self) -> dict[str, Any] | None:
        """Return the next message; None when the worker has ended."""
        line = self._heard.readline()
        return dict(json.loads(line)) if line else None

    def reach(self, replayed_calls: int, problem: str) -> str:
        self.say_memory()
        self.say({"job": self.job, "replayed_calls": replayed_calls, "problem": problem})
        while (message := self.next()) is not None:
            if message.get("verdict") == self.job:
                return str(message["problem"])
        raise SystemExit("The worker is gone; this card ends with it.")


def main(arguments: list[str]) -> int:
    folder, size, models, cache, policy, rank, parent = arguments
    die_with(int(parent))
    line = Line(sys.stdin.buffer, os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)  # whatever else prints is for people
    device = device_from_environment()
    line.say({})  # about to connect
    group = connect(Path(folder), rank=int(rank), size=int(size), device=device.torch_device)
    engine = line.engine = Engine(device=device, models=Path(models), cache=Path(cache), policy=policy)
    line.say_memory()
    while (task := line.next()) is not None:
        try:
            if "job" in task:
                _take_part(engine, group, line, task)
            elif "preload" in task:
                _preload(engine, group, ModelSpec.from_wire(task["preload"]))
            elif "evict" in task:
                engine.evict(task["evict"])
        except FatalDeviceError:
            log.exception("Card %s cannot go on", rank)
            return os.EX_SOFTWARE
        line.say_memory()
    return os.EX_OK


def _take_part(engine: Engine, group: CardGroup, line: Line, task: dict[str, Any]) -> None:
    """Make this card's part of a clip.

    Raises:
        FatalDeviceError: as ``Engine.render_part``.
    """
    line.job = task["job"]
    job = RenderJob.from_wire(task["render"])
    snapshots = SnapshotFiles(Path(task["snapshots"]), float("inf")) if task["snapshots"] else None
    part = SharedRender(group, line)
    problem = ""
    with log_context.bound(job_id=job.job_id, generation_id=job.generation_id):
        try:
            engine.render_part(job, inputs=read_inputs(Path(task["inputs"])), part=part, snapshots=snapshots)
        except FatalDeviceError:
            raise
        except Exception as error:  # the worker finds out for itself whether it can
            log.warning("Card %d takes no part: %s", group.rank, error)
            problem = str(error)
        finally:
            part.close(problem)


def _preload(engine: Engine, group: CardGroup, model: ModelSpec) -> None:
    try:
        engine.preload(model)
    except FatalDeviceError:
        raise
    except Exception as error:
        log.warning("Model %s is not loaded in advance on card %d: %s", model.slug, group.rank, error)


if __name__ == "__main__":
    logging.basicConfig(level=os.environ.get("GPU_WORKER_LOG_LEVEL", "INFO"))
    sys.exit(main(sys.argv[1:]))
