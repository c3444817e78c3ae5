"""Examines a pipeline: renders every question as the site would, asks the checker, counts."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import CogVideoXPipeline, DiffusionPipeline
from numpy.typing import NDArray

from gpu_worker.preview import recipe
from gpu_worker.preview.checker import Sighting, look
from gpu_worker.preview.exam import Question
from gpu_worker.preview.scene import ATTRIBUTES

BATCH = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """One question, what the clip showed, and which attributes agree."""

    question: Question
    sighting: Sighting
    agrees: dict[str, bool]

    @property
    def is_right(self) -> bool:
        return all(self.agrees.values())


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one examination."""

    answers: tuple[Answer, ...]
    seconds: float
    steps: int
    call: dict[str, Any] = field(default_factory=dict)

    def scores(self) -> dict[str, float]:
        """Attribute → share of the clips that agree with it; ``all`` → share that agrees with every one."""
        scores = {name: float(np.mean([a.agrees[name] for a in self.answers])) for name in ATTRIBUTES}
        return {**scores, "all": float(np.mean([a.is_right for a in self.answers]))}

    def scores_by_value(self, attribute: str) -> dict[str, tuple[float, int]]:
        """Asked value → share that agrees in this attribute, and how many asked for it."""
        groups: dict[str, list[bool]] = defaultdict(list)
        for answer in self.answers:
            groups[str(getattr(answer.question.scene, attribute))].append(answer.agrees[attribute])
        return {value: (float(np.mean(group)), len(group)) for value, group in sorted(groups.items())}

    def to_wire(self) -> dict[str, Any]:
        """Plain JSON: the scores, and every answer that is not right."""
        return {
            "prompts": len(self.answers),
            "steps": self.steps,
            "call": self.call,
            "seconds_per_clip": round(self.seconds / len(self.answers), 3),
            "scores": {name: round(score, 4) for name, score in self.scores().items()},
            "by_value": {name: self.scores_by_value(name) for name in ATTRIBUTES},
            "mistakes": [
                {
                    "seed": a.question.seed,
                    "prompt": a.question.prompt,
                    **{
                        name: f"{getattr(a.question.scene, name)}, saw {getattr(a.sighting, name)}"
                        for name, agrees in a.agrees.items()
                        if not agrees
                    },
                }
                for a in self.answers
                if not a.is_right
            ],
        }


def load(folder: Path) -> CogVideoXPipeline:
    """The pipeline in ``folder``, computing in single precision, without progress bars."""
    pipeline = DiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def render(
    pipeline: CogVideoXPipeline, prompts: Sequence[str], seeds: Sequence[int], **overrides: Any
) -> NDArray[np.uint8]:
    """Clips by the recipe, uint8, shape (prompts, frames, height, width, 3). A clip depends on its own seed alone."""
    arguments: dict[str, Any] = {"num_inference_steps": recipe.STEPS, **recipe.CALL, **overrides}
    clips = pipeline(
        prompt=list(prompts),
        width=recipe.WIDTH,
        height=recipe.HEIGHT,
        num_frames=recipe.NUM_FRAMES,
        generator=[torch.Generator().manual_seed(seed) for seed in seeds],
        output_type="np",
        **arguments,
    ).frames
    return np.asarray(np.round(np.clip(clips, 0, 1) * 255), np.uint8)


def examine(pipeline: CogVideoXPipeline, questions: Sequence[Question], **overrides: Any) -> Report:
    """Ask every question once; nothing is repeated or selected. ``overrides`` replace arguments of the recipe."""
    started = time.monotonic()
    answers = []
    for first in range(0, len(questions), BATCH):
        batch = questions[first : first + BATCH]
        clips = render(pipeline, [q.prompt for q in batch], [q.seed for q in batch], **overrides)
        for question, clip in zip(batch, clips, strict=True):
            sighting = look(clip)
            answers.append(Answer(question, sighting, sighting.agrees(question.scene)))
    call = {**recipe.CALL, **overrides}
    steps = call.pop("num_inference_steps", recipe.STEPS)
    return Report(tuple(answers), seconds=time.monotonic() - started, steps=steps, call=call)
