"""One job through one pipeline: prompt to frames, with progress, pictures and a way out at every step."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gpu_worker.contract import RenderJob, Stage
from gpu_worker.engine.clip import Audio, Frames
from gpu_worker.engine.errors import FramesNotFinite, UnsupportedRequest
from gpu_worker.engine.pipelines import before
from gpu_worker.engine.previews import PreviewPainter
from gpu_worker.engine.stages import StageClock
from gpu_worker.families import Family, Mode, family


@dataclass(frozen=True, slots=True)
class RawClip:
    """What a pipeline made, before encoding."""

    frames: Frames
    audio: Audio | None = None


def mode_of(job: RenderJob, inputs: Mapping[str, Any]) -> tuple[Family, Mode]:
    """The family and mode that ``job`` asks for, checked: pipelines round sizes and frame counts silently.

    Raises:
        UnsupportedRequest: naming what the family cannot make and what it could.
    """
    try:
        made_by = family(job.model.family)
    except KeyError as unknown:
        raise UnsupportedRequest(str(unknown.args[0])) from None
    mode = made_by.modes.get(job.mode)
    if mode is None:
        raise UnsupportedRequest(f"{made_by.title} has no mode {job.mode!r}; there are: {', '.join(made_by.modes)}")
    missing = [role for role in mode.needs if role not in inputs]
    if missing:
        raise UnsupportedRequest(f"{mode.title} needs {' and '.join(missing)}")
    problem = made_by.size_problem(job.width, job.height)
    if problem:
        raise UnsupportedRequest(problem)
    if not made_by.frames.allows(job.num_frames):
        nearest = made_by.frames.nearest(job.num_frames)
        raise UnsupportedRequest(f"{made_by.title} cannot make {job.num_frames} frames; {nearest} is the nearest count")
    if job.steps < 1 or job.upscale < 1 or job.fps <= 0:
        raise UnsupportedRequest("steps, upscale and fps have to be positive")
    return made_by, mode


def run_pipeline(
    pipeline: Any, job: RenderJob, inputs: Mapping[str, Any], stages: StageClock, painter: PreviewPainter
) -> RawClip:
    """Encode the prompt, denoise, decode. The same job gives the same frames, bit by bit, on the same device.

    Raises:
        RenderStopped: ``should_stop`` turned true; at most one step later.
        UnsupportedRequest: the pipeline refused its arguments.
        FramesNotFinite: the result is not a picture.
    """
    made_by, mode = mode_of(job, inputs)
    call = {**mode.arguments(job, inputs), **_common_arguments(pipeline, job)}

    def after_step(view: Any, index: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        stages.step_done(index + 1, view.num_timesteps)
        picture = painter.paint(view, tensors["latents"], num_frames=job.num_frames, width=job.width, height=job.height)
        if picture:
            stages.show(picture)
        stages.stop_if_asked()
        return tensors

    if made_by.has_step_callback:
        call["callback_on_step_end"] = after_step
    with ExitStack() as announcements:
        announcements.enter_context(before(pipeline.vae, "decode", lambda: stages.enter(Stage.DECODING)))
        announcements.enter_context(_announce_denoising(pipeline, stages))
        if not made_by.has_step_callback:
            announcements.enter_context(_step_by_scheduler(pipeline, after_step))
        stages.enter(Stage.ENCODING_PROMPT)
        try:
            output = pipeline(**call)
        except (TypeError, ValueError) as refusal:
            raise UnsupportedRequest(f"{type(pipeline).__name__} refused: {refusal}") from refusal
    return RawClip(_to_frames(output.frames), _to_audio(pipeline, output))


def _common_arguments(pipeline: Any, job: RenderJob) -> dict[str, Any]:
    accepted = inspect.signature(type(pipeline).__call__).parameters
    arguments: dict[str, Any] = {
        "prompt": job.prompt,
        "negative_prompt": job.negative_prompt,
        # On the CPU always: the same seed then means the same noise on every device.
        "generator": torch.Generator("cpu").manual_seed(job.seed),
        "output_type": "pt",
    }
    return {name: value for name, value in arguments.items() if name in accepted}


def _announce_denoising(pipeline: Any, stages: StageClock) -> Any:
    """Denoising begins when the pipeline opens its progress bar, the one thing all of them do just before."""
    return before(pipeline, "progress_bar", lambda: stages.enter(Stage.DENOISING))


def _step_by_scheduler(pipeline: Any, after_step: Any) -> Any:
    """Steps of a pipeline that takes no callback, counted at its scheduler."""
    scheduler = pipeline.scheduler
    original = scheduler.step
    stack = ExitStack()
    done = 0

    def step(*args: Any, **kwargs: Any) -> Any:
        nonlocal done
        result = original(*args, **kwargs)
        latents = result[0] if isinstance(result, tuple) else result.prev_sample
        after_step(pipeline, done, None, {"latents": latents})
        done += 1
        return result

    scheduler.step = step
    stack.callback(delattr, scheduler, "step")
    return stack


def _to_frames(batches: Any) -> Frames:
    clip: torch.Tensor = batches[0]
    if not torch.isfinite(clip).all():
        bad = int((~torch.isfinite(clip)).sum())
        raise FramesNotFinite(f"{bad} of {clip.numel()} values are not numbers; try another dtype or no quantisation")
    pixels = (clip.clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(pixels.permute(0, 2, 3, 1).cpu().numpy())


def _to_audio(pipeline: Any, output: Any) -> Audio | None:
    sound = getattr(output, "audio", None)
    if sound is None:
        return None
    samples = sound[0].detach().float().cpu().numpy()
    return Audio(np.atleast_2d(samples), int(pipeline.vocoder.config.output_sampling_rate))
