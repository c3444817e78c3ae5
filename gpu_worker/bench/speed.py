"""What each speed setting of a row makes of a render, beside the same render without it.

A whole pipeline of diffusers over leased components: it denoises and decodes, with one call of the denoiser a step. The
settings are switched on by what switches them on for a row.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers import MagCacheConfig
from torch._inductor.utils import fresh_cache

from gpu_worker.bench.subjects import Subject
from gpu_worker.bench.weights import make
from gpu_worker.engine.errors import UnsupportedRequest
from gpu_worker.engine.memory.devices import Device
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.engine.video.clip import Frames
from gpu_worker.engine.video.frames import taken_one_by_one
from gpu_worker.engine.video.pipelines import replace_method
from gpu_worker.engine.video.speed import RenderFacts, with_speed_settings
from gpu_worker.engine.weights.checkpoint import Part
from gpu_worker.engine.weights.components import Component
from gpu_worker.engine.weights.loading import Loader
from gpu_worker.engine.weights.quantisation import QuantisedStore
from gpu_worker.families import family
from gpu_worker.families.memory import quantisation_of
from gpu_worker.families.speed import EIGHT_BIT_PRODUCTS, problems

ATTENTIONS = (
    "_native_math",
    "_native_flash",
    "_native_efficient",
    "_native_cudnn",
    "flex",
    "flash",
    "sage",
    "xformers",
)
"""Beside ``native``, which is what runs where nothing is said."""
PLAIN = "none, again"
LAYOUTS = {"transformer": "fused_qkv", "vae": "channels_last_vae"}
"""Settings that make a component of its own out of the same weights."""
Speed = dict[str, Any]
Clock = Callable[[], float]


def settings(mag_ratios: list[float]) -> dict[str, Speed]:
    """Every setting by itself, with arguments that change little of a picture where it has any.

    Trained weights change less from step to step than random ones: there the lower threshold is enough to skip a step.
    """
    return {
        **{f"attention_backend: {name}": {"attention_backend": name} for name in ATTENTIONS},
        "compile_repeated_blocks": {"compile_repeated_blocks": {}},
        **{
            f"first_block_cache: {threshold}": {"first_block_cache": {"threshold": threshold}}
            for threshold in (0.1, 0.5)
        },
        "mag_cache": {"mag_cache": {"threshold": 0.06, "mag_ratios": mag_ratios}},
        "sea_cache": {"sea_cache": {}},
        "sea_cache: 0.5": {"sea_cache": {"threshold": 0.5}},
        "taylorseer_cache": {"taylorseer_cache": {"cache_interval": 3, "disable_cache_before_step": 3}},
        "eight_bit_products: int8": {"eight_bit_products": True},
        "fused_qkv": {"fused_qkv": True},
        "channels_last_vae": {"channels_last_vae": True},
    }


@dataclass(frozen=True, slots=True)
class Take:
    """One render."""

    denoising_seconds: float
    step_seconds: float
    decoding_seconds: float
    peak_bytes: int
    """Weights, and the most that was held beside them."""
    answers: torch.Tensor
    """All numbers that the denoiser answered, one step after the other; float32, in main memory."""
    frames: Frames


@dataclass(slots=True)
class Measured:
    """One setting: its first render, and those after it, each beside one without it in the same round."""

    name: str
    first_seconds: float
    """Of all steps of the first render, with what compiling took."""
    cosine: float
    """Of the denoiser's answers in all steps to those without the setting."""
    psnr: float
    """Of the clip to the one without the setting; infinite if they are equal."""
    peak_bytes: int
    step_seconds: list[float] = field(default_factory=list)
    step_ratios: list[float] = field(default_factory=list)
    decoding_seconds: list[float] = field(default_factory=list)
    decoding_ratios: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, take: Take, plain: Take) -> Measured:
        cosine = torch.nn.functional.cosine_similarity(take.answers.double(), plain.answers.double(), dim=0)
        return cls(name, take.denoising_seconds, float(cosine), psnr(take.frames, plain.frames), 0)

    def note(self, take: Take, plain: Take) -> None:
        """A later render, and the one without the setting in its round."""
        self.peak_bytes = max(self.peak_bytes, take.peak_bytes)
        self.step_seconds.append(take.step_seconds)
        self.step_ratios.append(take.step_seconds / plain.step_seconds)
        self.decoding_seconds.append(take.decoding_seconds)
        self.decoding_ratios.append(take.decoding_seconds / plain.decoding_seconds)


@dataclass(frozen=True, slots=True)
class Refused:
    """A setting that this model, machine or installation cannot run."""

    name: str
    reason: str


class SpeedBench:
    """One subject on one device."""

    def __init__(
        self,
        subject: Subject,
        size: str,
        device: Device,
        folder: Path,
        *,
        steps: int,
        clock: Clock = time.perf_counter,
    ) -> None:
        self._subject, self._device, self._steps, self._clock = subject, device, steps, clock
        self._scale = subject.scales[size]
        self._parts = {
            "transformer": Part("transformer", folder / "transformer", "diffusers", subject.transformer),
            "vae": Part("vae", folder / "vae", "diffusers", subject.vae),
        }
        for part, config in (
            (self._parts["transformer"], self._scale.transformer),
            (self._parts["vae"], self._scale.vae),
        ):
            if not part.folder.is_dir():
                make(part, config)
        self._residency = Residency(device, Loader(QuantisedStore(folder / "quantised")).load)
        torch.manual_seed(0)
        self._prompt = {name: self._placed(value) for name, value in subject.prompt(self._scale.text_width).items()}

    def measured(self, rounds: int) -> list[Measured | Refused]:
        """Each setting that runs here: its first render, then one in each of ``rounds`` rounds, in turns.

        The first of them is no setting at all, beside another render without: how far figures differ that should not.
        """
        with fresh_cache():  # so that the first render compiles, whatever this host has compiled before
            torch._dynamo.reset()
            self._take({})  # warms up
            plain = self._take({})
            rows: list[Measured | Refused] = []
            speeds: dict[str, Speed] = {PLAIN: {}, **settings(self._mag_ratios())}
            for name, speed in speeds.items():
                try:
                    rows.append(Measured.of(name, self._take(speed), plain))
                except Exception as problem:  # of whatever kind and library: the reason is what is printed
                    rows.append(Refused(name, f"{type(problem).__name__}: {_first_line(problem)}"))
            running = [row for row in rows if isinstance(row, Measured)]
            for _ in range(rounds):
                plain = self._take({})
                for row in running:
                    row.note(self._take(speeds[row.name]), plain)
        return rows

    def _take(self, speed: Speed) -> Take:
        if found := list(problems(speed, family(self._subject.family))):
            raise UnsupportedRequest(" ".join(found))
        components = [self._component(name, speed) for name in self._parts]
        answers: list[torch.Tensor] = []
        with ExitStack() as held:
            modules = held.enter_context(self._residency.lease(components))
            pipeline = self._pipeline(modules)
            held.enter_context(
                with_speed_settings(
                    [modules["transformer"]],
                    speed,
                    RenderFacts(self._steps, self._device.torch_device, torch.bfloat16, pipeline, self._scale.clip),
                )
            )
            listening = modules["transformer"].register_forward_hook(
                lambda module, inputs, output: answers.append(output[0].detach().float().cpu())
            )
            held.callback(listening.remove)
            gc.collect()
            self._device.release_cached()
            self._device.start_peak()
            began, denoised, decoded, frames = self._render(pipeline)
            weights_bytes = sum(map(self._residency.size_bytes, components))
            return Take(
                denoising_seconds=denoised - began,
                step_seconds=(denoised - began) / self._steps,
                decoding_seconds=decoded - denoised,
                peak_bytes=weights_bytes + self._device.peak_bytes(),
                answers=torch.cat([answer.flatten() for answer in answers]),
                frames=frames,
            )

    def _pipeline(self, modules: Mapping[str, torch.nn.Module]) -> Any:
        cls = getattr(diffusers, self._subject.pipeline)
        pipeline = cls(scheduler=self._subject.scheduler(), text_encoder=None, tokenizer=None, **modules)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _render(self, pipeline: Any) -> tuple[float, float, float, Frames]:
        """When denoising began, when decoding did and when that ended, in seconds; and the clip."""
        at: list[float] = []

        def timed(method: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                self._device.synchronize()
                at.append(self._clock())
                return method(*args, **kwargs)

            return call

        width, height, frames = self._scale.clip
        # All pipelines open their progress bar just before the first step.
        with (
            replace_method(pipeline, "progress_bar", timed),
            replace_method(pipeline.vae, "decode", timed),
            taken_one_by_one(pipeline),
        ):
            output = pipeline(
                width=width,
                height=height,
                num_frames=frames,
                num_inference_steps=self._steps,
                guidance_scale=1.0,
                generator=torch.Generator("cpu").manual_seed(0),
                output_type="pt",
                **self._prompt,
            )
        self._device.synchronize()
        began, denoised = at
        return began, denoised, self._clock(), output.frames

    def _component(self, name: str, speed: Speed) -> Component:
        layout = LAYOUTS[name] if LAYOUTS[name] in speed else ""
        quantisation = quantisation_of(name, "int8" if EIGHT_BIT_PRODUCTS in speed else "none")
        key = f"bench:{name}:{quantisation}:{layout}"
        return Component(key, self._parts[name], "bfloat16", quantisation, layout=layout)

    def _mag_ratios(self) -> list[float]:
        """How much the residual of all blocks grows from step to step, which MagCache wants to know of each model."""
        said = io.StringIO()
        with self._residency.lease([self._component("transformer", {}), self._component("vae", {})]) as modules:
            transformer: Any = modules["transformer"]
            transformer.enable_cache(MagCacheConfig(calibrate=True, num_inference_steps=self._steps))
            try:
                with contextlib.redirect_stdout(said):  # where diffusers writes them, and nowhere else
                    self._render(self._pipeline(modules))
            finally:
                transformer.disable_cache()
        ratios: list[float] = json.loads(next(line for line in said.getvalue().splitlines() if line.startswith("[1")))
        return ratios

    def _placed(self, value: torch.Tensor) -> torch.Tensor:
        return value.to(self._device.torch_device, torch.bfloat16)


def processor_seconds() -> float:
    """Of all threads, and of compilers that have ended: for one thread, what the clock of an idle machine would say."""
    children = os.times()
    return time.process_time() + children.children_user + children.children_system


def psnr(frames: Frames, others: Frames) -> float:
    """Of ``frames`` to ``others`` in decibels, over the range of ``others``: in a dull clip little is much."""
    difference = frames.astype(np.float64) - others
    error = float(np.mean(difference**2))
    return math.inf if error == 0 else 10 * math.log10(float(np.ptp(others)) ** 2 / error)


def _first_line(problem: Exception) -> str:
    return next(iter(str(problem).strip().splitlines()), "no reason given")
