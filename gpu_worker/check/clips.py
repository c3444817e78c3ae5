"""Checks of whole clips: each family's smallest on the card, frame by frame against the processor's."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np

from gpu_worker.check.report import Check, Skipped
from gpu_worker.engine import Cpu, Device, Engine
from gpu_worker.families import FAMILIES

MOST_DIFFERENCE = 1.0
"""Between two clips, on average and of 255: kernels round differently, and nobody sees this."""
_PROCESSOR_BYTES = 2**31


def clip_checks(device: Device, folder: Path, families: Sequence[str]) -> Iterator[Check]:
    for name in families:
        yield Check(
            f"clip, {FAMILIES[name].title}",
            partial(_clip, device, folder, name),
            "Do not offer rows of this family here, and attach the file to a report of the fault.",
        )


def _clip(device: Device, folder: Path, family: str) -> str:
    try:
        # Checkpoints of the real classes, made on the spot, come with the tests and not with an installed worker.
        checkpoints: Any = importlib.import_module("tests.families.checkpoints")
        modes: Any = importlib.import_module("tests.families.test_modes")
    except ImportError as missing:
        raise Skipped(f"the tests' tiny checkpoints are not here ({missing}): run it in a checkout") from None
    models, mode = folder / "models", next(iter(FAMILIES[family].modes))
    job = modes.job_for(family, mode, checkpoints.checkpoint_for(family, mode, models))
    frames = []
    for number, place in enumerate((Cpu(_PROCESSOR_BYTES), device)):
        engine = Engine(device=place, models=models, cache=folder / f"cache-{number}")
        out = folder / f"{family}-{number}"
        out.mkdir()
        frames.append(_frames_of(modes.render(engine, job, out).clip))
        engine.evict_all()
    difference = float(np.abs(frames[0].astype(int) - frames[1]).mean())
    if not difference < MOST_DIFFERENCE:
        raise RuntimeError(f"its frames are {difference:.2f} of 255 off the processor's on average")
    return f"{difference:.3f} of 255 off the processor's on average"


def _frames_of(clip: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with av.open(str(clip)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
