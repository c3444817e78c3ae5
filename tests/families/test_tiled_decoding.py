"""Each family's decoder in tiles: as many frames of the same size, nearly the same pixels, and less at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from gpu_worker.engine.video.tiling import decode_in_tiles
from gpu_worker.families import FAMILIES
from tests.families.checkpoints import checkpoint_for


def decoder_of(family: str, models: Path) -> Any:
    """The VAE of the family's tiny checkpoint: its own class, with the tiles that this has by itself."""
    folder = models / checkpoint_for(family, next(iter(FAMILIES[family].modes)), models)
    _, name = json.loads((folder / "model_index.json").read_text())["vae"]
    return getattr(diffusers, name).from_pretrained(folder, subfolder="vae").eval()


def wider_than_a_tile(vae: Any) -> torch.Tensor:
    """Latents of two moments, one and a half tiles wide, and no higher than it takes: it is the width that is cut."""
    channels = getattr(vae.config, "latent_channels", None) or vae.config.z_dim
    width = getattr(vae, "tile_latent_min_width", 0) or vae.tile_sample_min_width // vae.spatial_compression_ratio
    return torch.randn(1, channels, 2, width // 8, width + width // 2, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def decoded(vae: Any, latents: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Its pixels, and the widest that the inside of the decoder made at once."""
    widest = 0

    def look(module: torch.nn.Module, args: Any, output: Any) -> None:
        nonlocal widest
        output = output[0] if isinstance(output, tuple) else output
        widest = max(widest, output.shape[-1])

    hook = vae.decoder.register_forward_hook(look)
    try:
        video: torch.Tensor = vae.decode(latents, return_dict=False)[0]
    finally:
        hook.remove()
    return video, widest


@pytest.mark.parametrize("family", FAMILIES)
def test_a_clip_wider_than_a_tile_is_decoded_in_tiles(family: str, models: Path) -> None:
    vae = decoder_of(family, models)
    latents = wider_than_a_tile(vae)
    whole, whole_width = decoded(vae, latents)
    with decode_in_tiles(vae):
        parts, part_width = decoded(vae, latents)
    again, _ = decoded(vae, latents)
    assert part_width < whole_width
    assert parts.shape == whole.shape
    difference = (parts - whole).abs().mean() / whole.std()
    assert difference < 0.2
    assert torch.equal(again, whole), "afterwards it decodes as before"
