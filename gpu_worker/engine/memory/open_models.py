"""Models as the engine holds them in its hand: checkpoint, components by name, tools, meta modules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from gpu_worker.contract import ModelSpec, Stage
from gpu_worker.engine.requests import family_of
from gpu_worker.engine.video.speed import RenderFacts, with_speed_settings
from gpu_worker.engine.weights.checkpoint import Checkpoint, Part, open_checkpoint
from gpu_worker.engine.weights.components import Component, ContentDigests, components_of
from gpu_worker.engine.weights.loading import load_meta_module, load_tool
from gpu_worker.engine.weights.sources import with_components_from_elsewhere
from gpu_worker.engine.weights.storages import least_swapped_bytes, module_bytes
from gpu_worker.engine.weights.unused_parts import unused_components
from gpu_worker.families.memory import stage_of


@dataclass(frozen=True)
class OpenModel:
    """One catalogue row with everything that a pipeline of it is made of."""

    spec: ModelSpec
    checkpoint: Checkpoint
    components: Mapping[str, Component]
    """The parts with weights by name, in the order in which a render uses them."""

    def parts_of(self, stage: Stage) -> dict[str, Component]:
        """The components whose last stage is ``stage``."""
        return {name: component for name, component in self.components.items() if stage_of(name) is stage}

    @cached_property
    def encoders(self) -> dict[str, Component]:
        """What turns the prompt into embeddings, and is not needed any more after that."""
        return self.parts_of(Stage.ENCODING_PROMPT)

    @cached_property
    def denoisers(self) -> dict[str, Component]:
        """What is not needed any more when the last step is done."""
        return self.parts_of(Stage.DENOISING)

    @cached_property
    def decoders(self) -> dict[str, Component]:
        """What is still needed when denoising is over."""
        return self.parts_of(Stage.DECODING)


class Library:
    """Opens models. Tools and meta modules are made once and shared; nothing here holds weights."""

    def __init__(self, models: Path, cache: Path) -> None:
        self._models = models
        self._digests = ContentDigests(cache / "digests.json")
        self._tools: dict[Path, Any] = {}
        self._meta_modules: dict[str, torch.nn.Module] = {}
        self._block_swap_shares: dict[str, float] = {}
        self._supported_speed: set[str] = set()

    def open(self, spec: ModelSpec) -> OpenModel:
        """Find a model and name its components; what a repository of the Hub has and this machine lacks is downloaded.

        Raises:
            UnsupportedRequest: there is no such family.
            ModelMissing: the checkpoint is not there and cannot be downloaded.
            CheckpointBroken: it is there and something in it is missing.
        """
        return self._open(spec, is_fetched=True)

    def look_at(self, spec: ModelSpec) -> OpenModel:
        """The same without the network, for questions that can wait: about a millisecond once its files are known.

        Raises:
            EngineError: as ``open``; ``ModelMissing`` also for what is not downloaded yet.
        """
        return self._open(spec, is_fetched=False)

    def _open(self, spec: ModelSpec, *, is_fetched: bool) -> OpenModel:
        made_by = family_of(spec)
        checkpoint = open_checkpoint(spec, self._models, is_fetched=is_fetched, unused=unused_components([made_by]))
        checkpoint = with_components_from_elsewhere(checkpoint, spec, self._models, is_fetched=is_fetched)
        components = components_of(spec, made_by, checkpoint, self._digests, self._models, is_fetched=is_fetched)
        return OpenModel(spec, checkpoint, components)

    def check_speed(self, model: OpenModel, device: torch.device) -> None:
        """Whether the transformers of ``model`` can do what its row wants on ``device``, tried and remembered.

        Raises:
            UnsupportedHere: this machine or installation cannot.
        """
        if not model.spec.speed:
            return
        transformers = {n: c for n, c in model.components.items() if n.startswith("transformer")}
        asked = json.dumps([[c.key for c in transformers.values()], model.spec.speed], sort_keys=True)
        if asked not in self._supported_speed:
            meta_modules, dtype = map(self.meta_module, transformers.values()), getattr(torch, model.spec.dtype)
            with with_speed_settings(meta_modules, model.spec.speed, RenderFacts(1, device, dtype)):
                self._supported_speed.add(asked)

    def tools(self, model: OpenModel) -> dict[str, Any]:
        """The parts of ``model`` without weights: tokenizers, scheduler, image processors."""
        return {name: self._tool(part) for name, part in model.checkpoint.parts.items() if not part.has_weights}

    def meta_module(self, component: Component) -> torch.nn.Module:
        """The component's module with its configuration and without weights."""
        if component.key not in self._meta_modules:
            self._meta_modules[component.key] = load_meta_module(component)
        return self._meta_modules[component.key]

    def block_swap_share(self, component: Component) -> float:
        """Which part of the component's bytes is on the device at the least while its blocks are swapped.
        Kept: the pop asks for every job in line, and walking a transformer takes milliseconds."""
        if component.key not in self._block_swap_shares:
            meta_module = self.meta_module(component)
            self._block_swap_shares[component.key] = least_swapped_bytes(meta_module) / max(
                1, module_bytes(meta_module)
            )
        return self._block_swap_shares[component.key]

    def _tool(self, part: Part) -> Any:
        if part.folder not in self._tools:
            self._tools[part.folder] = load_tool(part)
        return self._tools[part.folder]
