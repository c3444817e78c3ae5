"""One step shared by its sequence (DeepSpeed-Ulysses, arXiv 2309.14509): each card computes its part of the tokens, and
in self-attention its part of the heads over all of them. diffusers does it, by a plan of what is cut and joined where.

Its own plans are taken where they hold. Those of LTX and LTX-2 in 0.42.1 do not: they cut the text along with the
video, which its mask does not survive, and take the whole of the sound for a part of it. What is cut is put together
again by our own means, since uneven parts are more than gloo can gather.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from diffusers import ContextParallelConfig
from diffusers.hooks import HookRegistry, ModelHook
from diffusers.hooks.context_parallel import apply_context_parallel, remove_context_parallel
from diffusers.models._modeling_parallel import ContextParallelInput, ParallelConfig
from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry

from gpu_worker.engine.cards.group import CardGroup
from gpu_worker.engine.errors import UnsupportedHere

Plan = Mapping[str, Any]

_TOKENS_MADE = ContextParallelInput(split_dim=1, expected_dims=3, split_output=True)
_HEADS_AND_TOKENS_MADE = ContextParallelInput(split_dim=2, expected_dims=4, split_output=True)


def _wan(transformer: Any) -> Plan:
    return {name: cut for name, cut in transformer._cp_plan.items() if name not in ("", "proj_out")}


def _ltx(transformer: Any) -> Plan:
    return {
        "proj_in": {0: _TOKENS_MADE},
        "rope": {0: _TOKENS_MADE, 1: _TOKENS_MADE},
    }


def _ltx2(transformer: Any) -> Plan:
    if transformer.config.use_keyframes_abs_pos_embedding:
        raise UnsupportedHere("its keyframes are marked by a mask over the whole of the video")
    angles = _HEADS_AND_TOKENS_MADE if transformer.config.rope_type == "split" else _TOKENS_MADE
    return {
        "proj_in": {0: _TOKENS_MADE},
        "rope": {0: angles, 1: angles},
        "cross_attn_rope": {0: angles, 1: angles},
    }


PLANS: Mapping[str, tuple[Callable[[Any], Plan], str]] = {
    "WanTransformer3DModel": (_wan, "attn1"),
    "LTXVideoTransformer3DModel": (_ltx, "attn1"),
    "LTX2VideoTransformer3DModel": (_ltx2, "attn1"),
}
"""Class of the transformer → what is cut and joined where, and the name of the attention among all video tokens."""


@contextmanager
def shared_by_sequence(transformers: list[Any], group: CardGroup) -> Iterator[None]:
    """Each forward of ``transformers`` is shared for the time of the block, which all cards of ``group`` enter.

    Raises:
        UnsupportedHere: one of them has no plan, or attends in a way that cannot be shared; nothing stays switched on.
    """
    with ExitStack() as undo:
        for transformer in transformers:
            name = type(transformer).__name__
            if name not in PLANS:
                raise UnsupportedHere(f"diffusers has no plan for {name}")
            if (heads := transformer.config.num_attention_heads) % group.size:
                raise UnsupportedHere(f"{heads} heads of attention cannot be shared by {group.size} cards")
            plan_of, attention = PLANS[name]
            config = ContextParallelConfig(ulysses_degree=group.size, mesh=group.mesh)
            both = ParallelConfig(context_parallel_config=config)
            both.setup(group.rank, group.size, group.device, mesh=group.mesh)
            for part_name, part in transformer.named_modules():
                if part_name.rpartition(".")[2] == attention:
                    _share_attention(part.processor, both, undo)
            plan = plan_of(transformer)
            undo.callback(remove_context_parallel, transformer, plan)
            apply_context_parallel(transformer, config, plan)
            _hook(transformer, "parts", _Parts(config, group), undo)
            _hook(transformer.proj_out, "joined", _Joined(group, config), undo)
            if name == "LTX2VideoTransformer3DModel":
                for block in transformer.transformer_blocks:
                    _hook(block.video_to_audio_attn, "whole_video", _WholeVideo(group, config), undo)
        yield


def _share_attention(processor: Any, config: ParallelConfig, undo: ExitStack) -> None:
    named = getattr(processor, "_attention_backend", None)
    backend = AttentionBackendName(named) if named else _AttentionBackendRegistry.get_active_backend()[0]
    if not _AttentionBackendRegistry._is_context_parallel_available(backend):
        raise UnsupportedHere(f"the attention backend {backend.value} cannot share a clip")
    undo.callback(setattr, processor, "_parallel_config", None)
    processor._parallel_config = config


def _hook(module: torch.nn.Module, name: str, hook: ModelHook, undo: ExitStack) -> None:
    registry = HookRegistry.check_if_exists_or_initialize(module)
    registry.register_hook(hook, name)
    undo.callback(registry.remove_hook, name)


class _Parts(ModelHook):  # type: ignore[misc]  # diffusers has no types
    """Parts of one length are exchanged at once, others by their lengths first. A timestep for each token is cut as
    they are; one for all of them, which pipelines give as ``(batch,)`` or ``(batch, 1)``, is not."""

    def __init__(self, config: ContextParallelConfig, group: CardGroup) -> None:
        super().__init__()
        self._config, self._group = config, group

    def pre_forward(self, module: Any, *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        latents = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
        patch = module.config.patch_size
        tokens = latents.shape[1]
        if latents.ndim == 5:
            tokens = 1
            for length, of_patch in zip(latents.shape[2:], patch, strict=True):
                tokens *= length // of_patch
        self._config.ulysses_anything = tokens % self._group.size != 0
        timestep = kwargs.get("timestep")
        if isinstance(timestep, torch.Tensor) and timestep.ndim == 2 and timestep.shape[1] > 1:
            kwargs["timestep"] = self._group.own_part(timestep, dim=1)
        return args, kwargs


class _Joined(ModelHook):  # type: ignore[misc]  # as above
    """What the last layer makes of the tokens is put together again, on every card."""

    def __init__(self, group: CardGroup, config: ContextParallelConfig) -> None:
        super().__init__()
        self._group, self._config = group, config

    def _whole(self, part: torch.Tensor, dim: int) -> torch.Tensor:
        return self._group.gathered(part, dim=dim, is_even=not self._config.ulysses_anything)

    def post_forward(self, module: Any, output: torch.Tensor) -> torch.Tensor:
        return self._whole(output, 1)


class _WholeVideo(_Joined):
    """The sound, which every card has whole, attends to the whole of the video."""

    def post_forward(self, module: Any, output: torch.Tensor) -> torch.Tensor:
        return output

    def pre_forward(self, module: Any, *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        tokens_in_angles = 2 if module.rope_type == "split" else 1
        kwargs["encoder_hidden_states"] = self._whole(kwargs["encoder_hidden_states"], 1)
        kwargs["key_rotary_emb"] = tuple(self._whole(angles, tokens_in_angles) for angles in kwargs["key_rotary_emb"])
        return args, kwargs
