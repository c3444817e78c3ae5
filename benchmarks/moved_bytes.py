"""Bytes that each way of laying out a transformer moves over the bus in a step, counted on the simulated card.

``tests/late_card`` counts every copy, and which of them came from memory that is not pinned. Compared with diffusers'
group offload of single blocks, which the engine used before it had a block swap of its own: without a stream, since
with one it refuses quantised weights. Figures are parts of the transformer's bytes.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch

from gpu_worker.bench.subjects import SUBJECTS
from gpu_worker.bench.weights import make
from gpu_worker.engine import Cuda
from gpu_worker.engine.memory.block_swap import BlockSwap
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.engine.memory.residents import Lease
from gpu_worker.engine.weights.checkpoint import Part
from gpu_worker.engine.weights.components import Component
from gpu_worker.engine.weights.loading import Loader
from gpu_worker.engine.weights.quantisation import QuantisedStore
from gpu_worker.engine.weights.storages import module_bytes
from tests.late_card.build import NoCompiler, compiled
from tests.late_card.card import KIND, Card

LAYERS = 16
QUANTISATIONS = ("none", "int8", "fp8", "nf4")
STEPS = 3
WAYS = ("to_card", "to_card_pageable", "to_host")
BEFORE = "group offload of diffusers"
Answer = torch.Tensor


def main() -> int:
    """Print a row for each quantisation and layout; 1 where one answers otherwise, or ours moves weights back."""
    diffusers.utils.logging.set_verbosity_error()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            card = Card(compiled(Path(scratch) / "card"))
        except NoCompiler as refusal:
            print(refusal)
            return 0
        part = Part("transformer", Path(scratch) / "transformer", "diffusers", "LTXVideoTransformer3DModel")
        make(part, {**SUBJECTS["ltx-2b"].scales["small"].transformer, "num_layers": LAYERS})
        print("| weights | layout | to the card | of them pageable | to main memory |\n|---|---|---|---|---|")
        with torch.no_grad(), torch.compiler.set_stance("force_eager"):
            return int(any([_measure(card, part, Path(scratch), quantisation) for quantisation in QUANTISATIONS]))


def _measure(card: Card, part: Part, scratch: Path, quantisation: str) -> bool:
    """Print the rows of one quantisation; whether one of them is not as it should be."""
    component = Component(f"moved:{quantisation}", part, "bfloat16", quantisation)
    loader = Loader(QuantisedStore(scratch / "quantised"))
    whole_bytes = module_bytes(loader.load(component))
    is_wrong = False
    expected: Answer | None = None
    for name, laid_out in _layouts(loader, component, whole_bytes):
        card.reset()
        with laid_out as transformer:
            moved, answer = _in_a_step(card, transformer)
        expected = answer if expected is None else expected
        is_wrong |= not torch.equal(answer, expected) or bool(card.hazards)
        is_wrong |= name != BEFORE and moved["to_host"] > 0
        print(f"| {quantisation} | {name} | {' | '.join(f'{moved[way] / whole_bytes:.2f}' for way in WAYS)} |")
    return is_wrong


def _layouts(
    loader: Loader, component: Component, whole_bytes: int
) -> Iterator[tuple[str, AbstractContextManager[torch.nn.Module]]]:
    yield "resident", _resident(loader, component)
    yield BEFORE, _offloaded(loader, component)
    yield "block swap, half of it stays", _swapped(loader, component, whole_bytes // 2)
    yield "block swap, as little as goes", _swapped(loader, component, 0)


def _residency(loader: Loader) -> Residency:
    return Residency(Cuda(kind=KIND, host_bytes=2**30, pinned_bytes=2**29), loader.load)


@contextmanager
def _resident(loader: Loader, component: Component) -> Iterator[torch.nn.Module]:
    with _residency(loader).lease([component]) as modules:
        yield modules[component.name]


@contextmanager
def _swapped(loader: Loader, component: Component, room_bytes: int) -> Iterator[torch.nn.Module]:
    residency, lease = _residency(loader), Lease({component.name: component})
    with ExitStack() as undo:
        undo.callback(residency.release, lease)
        residency.acquire_copies(lease, room_bytes)
        undo.enter_context(BlockSwap(residency, lease, room_bytes))
        yield lease.modules[component.name]


@contextmanager
def _offloaded(loader: Loader, component: Component) -> Iterator[torch.nn.Module]:
    transformer: Any = loader.load(component)
    transformer.enable_group_offload(
        onload_device=torch.device(KIND, 0), offload_type="block_level", num_blocks_per_group=1
    )
    yield transformer


def _in_a_step(card: Card, transformer: torch.nn.Module) -> tuple[dict[str, float], Answer]:
    """Bytes by way of a step that is not the first, without those of what it is given and answers."""
    subject = SUBJECTS["ltx-2b"]
    torch.manual_seed(0)
    given = {
        name: value.to(KIND, torch.bfloat16 if value.dim() > 1 else None) if isinstance(value, torch.Tensor) else value
        for name, value in subject.inputs(subject.latents("small"), subject.scales["small"].text_width).items()
    }
    transformer(**given)
    before = {way: card.moved_bytes(way) for way in WAYS}
    answers = [transformer(**given)[0] for _ in range(STEPS)]
    torch.accelerator.synchronize()
    moved = {way: (card.moved_bytes(way) - before[way]) / STEPS for way in WAYS}
    return moved, answers[-1].cpu()


if __name__ == "__main__":
    sys.exit(main())
