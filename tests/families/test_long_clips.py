"""Clips of half a minute, from every family that makes such."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from gpu_worker.contract import Progress
from gpu_worker.engine import Engine
from gpu_worker.families import FAMILIES
from tests.families.checkpoints import checkpoint_for
from tests.families.test_modes import job_for, render


def decode_each_shape_once(monkeypatch: pytest.MonkeyPatch, checkpoint: Path) -> None:
    """Has the decoder of a checkpoint answer with the frames that it made of the first latents of the same shape.

    Decoding a thousand frames is most of such a clip, and nothing here looks at what they show.
    """
    library, name = json.loads((checkpoint / "model_index.json").read_text())["vae"]
    assert library == "diffusers"
    decoder = type(getattr(diffusers, name).from_pretrained(checkpoint / "vae").decoder)
    decode = decoder.forward
    decoded: dict[tuple[object, ...], torch.Tensor] = {}

    def forward(self: Any, latents: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        shape = (*latents.shape, kwargs.get("first_chunk"))  # of Wan's, which makes one frame of the first latent
        if shape not in decoded:
            decoded[shape] = decode(self, latents, *args, **kwargs)
        return decoded[shape].clone()

    monkeypatch.setattr(decoder, "forward", forward)


@pytest.mark.parametrize("family_name", [name for name, family in FAMILIES.items() if family.max_seconds >= 30])
def test_a_long_clip_is_as_long_as_it_was_asked_to_be(
    engine: Engine, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family_name: str
) -> None:
    """Half a minute, stretch by stretch where the family makes it so, and every step of all of them reports."""
    family = FAMILIES[family_name]
    mode = next(iter(family.modes))
    job = job_for(family_name, mode, checkpoint_for(family_name, mode, models))
    decode_each_shape_once(monkeypatch, models / job.model.source)
    side = family.size_multiple
    num_frames = family.frames_for(30.5)
    told: list[Progress] = []
    job = replace(job, width=max(side, 32), height=max(side, 32), num_frames=num_frames, steps=1)
    made = render(engine, job, tmp_path, told)
    assert (made.facts.num_frames, made.facts.fps) == (num_frames, family.fps)
    assert made.facts.duration_seconds == pytest.approx(30, abs=2)
    steps = [progress for progress in told if progress.kind == "step"]
    assert len(steps) == steps[-1].steps_total == made.steps_total
    assert made.steps_total % family.passes(num_frames) == 0
    assert family.frames_per_pass is None or made.steps_total >= family.passes(num_frames) > 5
