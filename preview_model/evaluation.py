"""Examines a pipeline: renders every question as the site would, asks the checker, counts."""

from __future__ import annotations

import itertools
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
from PIL import Image

from gpu_worker.engine.video.first_frame import HeldPictures
from preview_model import recipe
from preview_model.captions import conjugate
from preview_model.checker import Sighting, centres, look
from preview_model.continuation_exam import PictureQuestion, agreement
from preview_model.exam import Question
from preview_model.scene import ATTRIBUTES, MOTIONS
from preview_model.wordings import MOTION_WORDS

BATCH = 20
Frames = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Answer:
    """One question, what the clip showed, and which attributes agree."""

    question: Question | PictureQuestion
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
        scores = {name: float(np.mean([a.agrees[name] for a in self.answers])) for name in self.answers[0].agrees}
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
                        name: f"{getattr(a.question.scene, name, True)}, saw {getattr(a.sighting, name, False)}"
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
    pipeline: CogVideoXPipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    *,
    pictures: Frames | None = None,
    **overrides: Any,
) -> Frames:
    """Clips by the recipe, uint8, shape (prompts, frames, height, width, 3). A clip depends on its own seed alone.

    With ``pictures`` (prompts × height × width × 3), each begins with its own.
    """
    noise = [torch.Generator().manual_seed(seed) for seed in seeds]
    arguments: dict[str, Any] = {"num_inference_steps": recipe.STEPS, **recipe.CALL, **overrides}
    if pictures is not None:
        held = HeldPictures([Image.fromarray(picture) for picture in pictures])
        arguments |= {"latents": held.latents(recipe.NUM_FRAMES, noise), "callback_on_step_end": held.put_back}
    clips = pipeline(
        prompt=list(prompts),
        width=recipe.WIDTH,
        height=recipe.HEIGHT,
        num_frames=recipe.NUM_FRAMES,
        generator=noise,
        output_type="np",
        **arguments,
    ).frames
    return np.asarray(np.round(np.clip(clips, 0, 1) * 255), np.uint8)


def examine(
    pipeline: CogVideoXPipeline, questions: Sequence[Question] | Sequence[PictureQuestion], **overrides: Any
) -> Report:
    """Ask every question once; nothing is repeated or selected. ``overrides`` replace arguments of the recipe."""
    started = time.monotonic()
    answers: list[Answer] = []
    for first in range(0, len(questions), BATCH):
        batch: Sequence[Question | PictureQuestion] = questions[first : first + BATCH]
        given = [q.picture for q in batch if isinstance(q, PictureQuestion)]
        pictures = np.stack(given) if given else None
        clips = render(pipeline, [q.prompt for q in batch], [q.seed for q in batch], pictures=pictures, **overrides)
        answers += [_answer(question, clip) for question, clip in zip(batch, clips, strict=True)]
    call = {**recipe.CALL, **overrides}
    steps = call.pop("num_inference_steps", recipe.STEPS)
    return Report(tuple(answers), seconds=time.monotonic() - started, steps=steps, call=call)


def _answer(question: Question | PictureQuestion, clip: Frames) -> Answer:
    if isinstance(question, PictureQuestion):
        agrees = agreement(question.picture, clip, question.scene)
        return Answer(question, look(clip, is_endless=True), agrees)
    sighting = look(clip)
    return Answer(question, sighting, sighting.agrees(question.scene))


def continuations(pipeline: CogVideoXPipeline, questions: Sequence[Question]) -> list[PictureQuestion]:
    """What has to be shown when the clips of ``questions`` are continued by the same prompts."""
    asked = []
    for first in range(0, len(questions), BATCH):
        batch = questions[first : first + BATCH]
        clips = render(pipeline, [q.prompt for q in batch], [q.seed for q in batch])
        asked += [PictureQuestion(q.seed, q.prompt, q.scene, c[-1]) for q, c in zip(batch, clips, strict=True)]
    return asked


def variety_pixels(pipeline: CogVideoXPipeline, *, seeds: int = 8) -> dict[str, float]:
    """Motion → median distance, in pixels, between the places where two seeds of one prompt have their object begin."""
    found = {}
    for motion in MOTIONS:
        prompt = f"a red square {conjugate(MOTION_WORDS[motion][0])[0]} on a black background"
        clips = render(pipeline, [prompt] * seeds, range(seeds))
        starts = [centres(clip[0])[0] for clip in clips if centres(clip[0])]
        apart = [np.hypot(*np.subtract(one, other)) for one, other in itertools.combinations(starts, 2)]
        found[motion] = round(float(np.median(apart)), 2) if apart else 0.0
    return found
