"""One step shared by its guidance: with a prompt and without one are two halves of a batch, and each of two cards
computes one of them. For families that guide in one batch and whose sequence nobody has a plan for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from diffusers.hooks import HookRegistry, ModelHook

from gpu_worker.engine.cards.group import CardGroup
from gpu_worker.engine.errors import UnsupportedHere

HALVES = 2
BATCHED = {"hidden_states", "encoder_hidden_states", "timestep"}
"""What a forward takes for each clip of its batch; all else is the same for both."""

TRANSFORMERS = {"CogVideoXTransformer3DModel"}
"""Those whose forward takes no other batched argument."""


@contextmanager
def shared_by_guidance(transformers: list[Any], group: CardGroup) -> Iterator[None]:
    """Each forward of ``transformers`` is shared for the time of the block, which both cards of ``group`` enter.

    Raises:
        UnsupportedHere: their family or the number of cards is another; nothing stays switched on.
    """
    with ExitStack() as undo:
        for transformer in transformers:
            if (name := type(transformer).__name__) not in TRANSFORMERS:
                raise UnsupportedHere(f"the guidance of {name} is not computed in one batch")
            if group.size != HALVES:
                raise UnsupportedHere(f"guidance has {HALVES} halves and there are {group.size} cards")
            registry = HookRegistry.check_if_exists_or_initialize(transformer)
            registry.register_hook(_Half(group), "guidance")
            undo.callback(registry.remove_hook, "guidance")
        yield


class _Half(ModelHook):  # type: ignore[misc]  # diffusers has no types
    """The forward sees its half of each batch; what it answers is put together again. A batch of one, of a step
    without guidance, is computed on both."""

    def __init__(self, group: CardGroup) -> None:
        super().__init__()
        self._group, self._is_halved = group, False

    def pre_forward(self, module: Any, *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args:
            raise UnsupportedHere(f"{type(module).__name__} is called with arguments that have no name")
        self._is_halved = kwargs["hidden_states"].shape[0] == HALVES
        if self._is_halved:
            kwargs.update({name: self._group.own_part(kwargs[name]) for name in BATCHED & kwargs.keys()})
        return args, kwargs

    def post_forward(self, module: Any, output: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return tuple(self._group.gathered(one, dim=0) for one in output) if self._is_halved else output
