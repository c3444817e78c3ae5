"""Chance that the seed of a job decides, also where a pipeline draws without the generator that it was given.

SkyReels-V2 blurs what a stretch is reminded of with PyTorch's own generator, and so do samplers that are handed none.
Their numbers would come from whatever the process drew before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seed_generators(seed: int, device: torch.device) -> Iterator[None]:
    """PyTorch's own generators, of the processor and of ``device``, begin at ``seed`` for the time of the block.

    After it they are where they were: nothing of one render reaches the next.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
