"""The process of one card of several that make a step together, or of one alone: says in a line of JSON what it took.

Started by ``cards``. Whether the step can be shared, each finds out for itself and in the same way.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors.torch import save_file

from gpu_worker.bench.holding import component_of, place_inputs
from gpu_worker.bench.subjects import SUBJECTS
from gpu_worker.bench.weights import transformer_of
from gpu_worker.engine import device_from_environment
from gpu_worker.engine.cards.group import connect
from gpu_worker.engine.cards.sequence import shared_by_sequence
from gpu_worker.engine.errors import UnsupportedHere
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.engine.weights.loading import Loader
from gpu_worker.engine.weights.quantisation import QuantisedStore
from gpu_worker.parent_death import die_with

ANSWER = "answer.safetensors"
"""What the transformer of the first card answered."""


def main(arguments: list[str]) -> int:
    name, size, weights, meeting, rank, cards, steps, parent = arguments
    die_with(int(parent))
    diffusers.utils.logging.set_verbosity_error()
    device, subject = device_from_environment(), SUBJECTS[name]
    component = component_of(transformer_of(subject, size, Path(weights)), "none")
    residency = Residency(device, Loader(QuantisedStore(Path(weights) / "quantised")).load)
    torch.manual_seed(0)
    inputs = place_inputs(subject.inputs(subject.latents(size), subject.scales[size].text_width), device)
    with ExitStack() as held, torch.inference_mode():
        transformer = held.enter_context(residency.lease([component]))["transformer"]
        device.start_peak()
        if int(cards) > 1:
            group = connect(Path(meeting), rank=int(rank), size=int(cards), device=device.torch_device)
            held.callback(torch.distributed.destroy_process_group)
            try:
                held.enter_context(shared_by_sequence([transformer], group))
            except UnsupportedHere as problem:
                say({"problem": str(problem)})
                return 0
        answer = transformer(**inputs)[0]  # warms up
        seconds = []
        for _ in range(int(steps)):
            device.synchronize()
            began = time.perf_counter()
            transformer(**inputs)
            device.synchronize()
            seconds.append(time.perf_counter() - began)
        peak_bytes = residency.size_bytes(component) + device.peak_bytes()
    if int(rank) == 0:
        save_file({"answer": answer.float().cpu().contiguous()}, Path(meeting) / ANSWER)
    say({"step_seconds": statistics.median(seconds), "peak_bytes": peak_bytes})
    return 0


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
