"""What checkpoints hold and no render uses: it is not downloaded, not read and not counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import diffusers
import torch

from gpu_worker.families import Family

_IN_LANGUAGE_MODELS: Mapping[str, tuple[str, ...]] = {
    "Gemma3ForConditionalGeneration": ("model.vision_tower", "model.multi_modal_projector", "lm_head"),
    "Gemma4UnifiedForConditionalGeneration": ("model.embed_vision", "model.embed_audio", "lm_head"),
}
"""Of models that read text, pictures and sound and answer in words, where all that is wanted of them is what their
layers say of a text."""


class _Unused(torch.nn.Module):
    """Stands where a part was. Of the head of a language model it gives an answer in no words."""

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return hidden_states[..., :0]


def without_unused(cls: Any) -> Any:
    """``cls`` of transformers, whose modules are made without what no pipeline of ours asks."""
    return _reduced(cls) if cls.__name__ in _IN_LANGUAGE_MODELS else cls


@cache
def _reduced(cls: Any) -> Any:
    paths = _IN_LANGUAGE_MODELS[cls.__name__]

    def init(self: Any, config: Any) -> None:
        cls.__init__(self, config)
        for path in paths:
            owner, _, name = path.rpartition(".")
            setattr(self.get_submodule(owner), name, _Unused())

    changed = {
        "__init__": init,
        "__module__": cls.__module__,
        "_tied_weights_keys": {},  # of the head with the embedding
        "_keys_to_ignore_on_load_unexpected": [rf"(^|\.){name}\." for name in map(_last, paths)],
    }
    return type(cls.__name__, (cls,), changed)


def is_unused(class_name: str, weight: str) -> bool:
    """Whether the tensor of this name in the files of a ``class_name`` is never read."""
    return any(_last(path) in weight.split(".") for path in _IN_LANGUAGE_MODELS.get(class_name, ()))


def unused_components(families: Iterable[Family]) -> frozenset[str]:
    """Names of what the pipelines of ``families`` have a place for and can do without, and no family has a use for:
    in LTX-2, the language model that rewrites prompts, and what guesses a length."""
    found = [frozenset(_optional(family)) - set(family.components) for family in families]
    return frozenset.intersection(*found) if found else frozenset()


def _optional(family: Family) -> Iterable[str]:
    for mode in family.modes.values():
        for name in filter(None, (mode.pipeline, mode.scheduled_pipeline)):
            yield from getattr(getattr(diffusers, name, None), "_optional_components", ())


def _last(path: str) -> str:
    return path.rpartition(".")[2]
