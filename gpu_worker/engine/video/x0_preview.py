"""What a clip would look like if denoising ended now: the clean latents that a scheduler predicts on its way.

The latents between two steps are mostly noise until late. The prediction shows shapes and colours from the first step.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler


def watch(scheduler: Any) -> None:
    """From now on ``predicted(scheduler)`` answers, and ``scheduler`` steps as before.

    Done by a subclass and not by another ``step`` in the instance: LTX-2 copies its scheduler for the sound, and the
    copy has to step itself. The signature stays: by it pipelines decide whether to hand on ``eta`` and ``generator``.
    """
    cls = type(scheduler)

    @functools.wraps(cls.step)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = cls.step(self, *args, **kwargs)
        self._predicted = _prediction(self, inspect.signature(cls.step).bind(self, *args, **kwargs).arguments, result)
        return result

    scheduler.__class__ = type(cls.__name__, (cls,), {"step": step, "__module__": cls.__module__})


def predict_clean(scheduler: Any, latents: torch.Tensor) -> torch.Tensor:
    """The clean latents as of the last step; ``latents`` themselves where the scheduler does not tell."""
    prediction = getattr(scheduler, "_predicted", None)
    return prediction if prediction is not None and prediction.shape == latents.shape else latents


def _prediction(scheduler: Any, arguments: dict[str, Any], result: Any) -> torch.Tensor | None:
    prediction: torch.Tensor | None = None
    solved = getattr(scheduler, "model_outputs", None)
    if isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
        if arguments.get("per_token_timesteps") is None:
            sigma = scheduler.sigmas[scheduler.step_index - 1].to(arguments["sample"].device)
            prediction = arguments["sample"] - sigma * arguments["model_output"]
    elif solved and scheduler.config.get("predict_x0"):
        prediction = solved[-1]
    elif isinstance(result, tuple):
        prediction = result[1] if len(result) > 1 else None
    else:
        prediction = getattr(result, "pred_original_sample", None)
    return prediction
