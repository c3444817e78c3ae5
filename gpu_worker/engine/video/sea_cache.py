"""SeaCache (arXiv 2602.18993) for our pipelines: steps whose picture hardly changed take over what the blocks added in
the step before.

What changed is told by the latents themselves, filtered by how much of each frequency is picture and how much noise at
that step. diffusers brings filter, decision and hooks. It knows them for two of its pipelines; here it is told what it
asks of any: which numbers of a call are the video, and at which step and noise the call is made.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from diffusers import SeaCacheConfig

from gpu_worker.engine.video.pipelines import replace_method

CAUTIOUS: Mapping[str, Any] = {"threshold": 0.05, "residual_order": 0}
"""Where the row says nothing: with these a transformer's answers keep a cosine of 0.995, with random weights too, and
those change more from step to step than trained ones. diffusers begins at 0.25, with extrapolation."""
Clip = tuple[int, int, int]
"""Width and height in pixels, and frames."""


def switch_on(transformer: Any, arguments: Mapping[str, Any], pipeline: Any, clip: Clip, undo: ExitStack) -> None:
    """Have ``transformer`` skip steps of ``pipeline``, which makes ``clip``. Without a pipeline it is only tried.

    Raises:
        ValueError: diffusers does not know its blocks.
    """

    def video(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[torch.Tensor]:
        return [video_of(transformer, args, kwargs, pipeline, clip)]

    transformer.enable_cache(SeaCacheConfig(**{**CAUTIOUS, **arguments}, raw_vision_callback=video))
    undo.callback(transformer.disable_cache)
    if pipeline is not None:
        undo.enter_context(
            replace_method(transformer, "cache_context", lambda context: _with_step(context, pipeline.scheduler))
        )


def video_of(
    transformer: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], pipeline: Any, clip: Clip
) -> torch.Tensor:
    """The latents ``(channels, frames, height, width)`` among what a transformer is called with.

    With them come a given picture in channels of its own (Wan), or given frames as tokens before them (LTX). Where
    guidance doubles the batch, both halves are the same.
    """
    signature = inspect.signature(type(transformer).forward)
    given: torch.Tensor = signature.bind_partial(transformer, *args, **kwargs).arguments["hidden_states"][0]
    if given.ndim == 4:
        channels: int = transformer.config.out_channels
        return given[:channels]
    width, height, frames = clip
    size = (
        (frames - 1) // pipeline.vae_temporal_compression_ratio + 1,
        height // pipeline.vae_spatial_compression_ratio,
        width // pipeline.vae_spatial_compression_ratio,
    )
    return given[-math.prod(size) :].T.reshape(-1, *size)


def _with_step(cache_context: Callable[..., Any], scheduler: Any) -> Callable[..., Any]:
    """``cache_context`` of a transformer, told by the scheduler where the steps are if its pipeline does not say so."""

    def context(name: str, **known: Any) -> Any:
        if known.get("sigma") is None:
            step = scheduler.step_index if scheduler.step_index is not None else scheduler.begin_index or 0
            known |= {
                "step_index": step,
                "sigma": float(scheduler.sigmas[step]),
                "num_inference_steps": len(scheduler.timesteps),
            }
        return cache_context(name, **known)

    return context
