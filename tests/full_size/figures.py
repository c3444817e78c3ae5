"""What the models of full size take, counted: the figures that each family states of its checkpoints."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from gpu_worker.engine.video.tiling import decode_by_parts
from gpu_worker.engine.weights.footprint import footprint_bytes
from gpu_worker.engine.weights.quantised_layers import quantised_linears
from gpu_worker.engine.weights.storages import least_swapped_bytes, module_bytes
from tests.full_size.models import FullSize, Size
from tests.full_size.tracer import build, on_card, peak_bytes

_LAYERS = ("num_layers", "num_single_layers")
_FEW = 2
"""Layers of each kind: without gradients, activations do not grow with their number."""


def weights_of(model: FullSize) -> dict[str, float]:
    """Bytes of transformer and VAE at 16 bits; of the transformer, which part is quantised, which is swapped at once,
    and what it takes quantised."""
    with torch.device("meta"):
        transformer = model.transformer_class()(**model.config).to(torch.bfloat16)
        vae = model.vae_class()(**model.vae_config)
    quantised = sum(layer.weight.numel() for layer in quantised_linears(transformer, torch.bfloat16).values())
    parameters = sum(parameter.numel() for parameter in transformer.parameters())
    return {
        "transformer_bytes": 2 * parameters,
        "vae_bytes": 2 * sum(parameter.numel() for parameter in vae.parameters()),
        "quantised_fraction": quantised / parameters,
        "swapped_fraction": least_swapped_bytes(transformer) / module_bytes(transformer),
        **{kind: footprint_bytes(transformer, torch.bfloat16, kind) for kind in ("int8", "fp8", "nf4")},
    }


def denoising_bytes(model: FullSize, size: Size) -> int:
    """Peak of one forward of the transformer, of one sample. To be called on the full-size card."""
    config: dict[str, Any] = dict(model.config)
    if "vace_layers" not in config:  # their answers are kept until they are used, so each of them counts
        known = inspect.signature(model.transformer_class().__init__).parameters
        config.update(dict.fromkeys(_LAYERS & known.keys(), _FEW))
    transformer = build(model.transformer_class(), config, quantisation="int8")
    inputs = model.inputs(transformer, model.latents(size))
    tensors = [value for value in inputs.values() if isinstance(value, torch.Tensor)]
    return peak_bytes(lambda: model.forward(transformer, inputs), [transformer, *tensors])


def decoding_bytes(model: FullSize, size: Size, *, is_tiled: bool = False, frames_per_part: int = 0) -> int:
    """Peak of turning latents into frames; by parts of time, of which each leaves the card, where there are such."""
    vae = build(model.vae_class(), dict(model.vae_config))
    if is_tiled:
        vae.enable_tiling()
    width, height, frames = model.latents(size)
    latents = on_card(1, model.latent_channels, frames, height, width)
    times = (on_card(1),) if model.decoder_takes_time else ()

    def decode(part: torch.Tensor = latents) -> torch.Tensor:
        decoded: torch.Tensor = vae.decode(part, *times, return_dict=False)[0]
        return decoded

    def decode_parts() -> None:
        decode_by_parts(
            decode,
            latents,
            frames_per_part=frames_per_part,
            frames_per_latent=model.frames_per_latent,
            take=lambda clip, into, first: None,
        )

    return peak_bytes(decode_parts if frames_per_part else decode, [vae, latents, *times])


def encoding_bytes(model: FullSize, size: Size) -> int:
    """Peak of turning a given clip into latents."""
    vae = build(model.vae_class(), dict(model.vae_config))
    width, height, frames = size
    clip = on_card(1, 3, frames, height, width)
    return peak_bytes(lambda: vae.encode(clip).latent_dist.mode(), [vae, clip])
