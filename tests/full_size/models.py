"""The models of the seeded rows at their published size: classes and configurations of diffusers, and what one step of
denoising gives their transformers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import diffusers
import torch
import transformers
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLTextConfig

from gpu_worker.engine.weights.unused_parts import without_unused
from tests.full_size.tracer import on_card

Size = tuple[int, int, int]
"""Width and height in pixels, and frames."""
Inputs = Callable[[Any, Size], dict[str, Any]]


@dataclass(frozen=True)
class FullSize:
    """One model without its text encoder."""

    row: str
    """The seeded row whose bytes these are."""
    transformer: str
    config: Mapping[str, Any]
    inputs: Inputs
    """What the transformer gets in one step without guidance, from itself and the latents' width, height and frames."""
    vae: str = "AutoencoderKLWan"
    vae_config: Mapping[str, Any] = field(default_factory=dict)
    latent_channels: int = 16
    pixels_per_latent: int = 8
    frames_per_latent: int = 4
    decoder_takes_time: bool = False
    forward: Callable[[Any, dict[str, Any]], Any] = lambda transformer, inputs: transformer(**inputs, return_dict=False)

    def latents(self, size: Size) -> Size:
        width, height, frames = size
        return (
            width // self.pixels_per_latent,
            height // self.pixels_per_latent,
            (frames - 1) // self.frames_per_latent + 1,
        )

    def transformer_class(self) -> Any:
        return getattr(diffusers, self.transformer)

    def vae_class(self) -> Any:
        return getattr(diffusers, self.vae)


def _step(batch: int = 1) -> torch.Tensor:
    return on_card(batch, dtype=torch.float32)


def _indices(count: int) -> torch.Tensor:
    return on_card(1, count, dtype=torch.int64)


# --- inputs, by family ---------------------------------------------------------------------------------------------


def _wan(transformer: Any, latents: Size) -> dict[str, Any]:
    width, height, frames = latents
    return {
        "hidden_states": on_card(1, transformer.config.in_channels, frames, height, width),
        "timestep": _step(),
        "encoder_hidden_states": on_card(1, 512, 4096),
    }


def _wan_image(transformer: Any, latents: Size) -> dict[str, Any]:
    return {**_wan(transformer, latents), "encoder_hidden_states_image": on_card(1, 257, 1280)}


def _wan_each_token_timed(transformer: Any, latents: Size) -> dict[str, Any]:
    width, height, frames = latents
    return {**_wan(transformer, latents), "timestep": on_card(1, frames * height * width // 4, dtype=torch.float32)}


def _vace(transformer: Any, latents: Size) -> dict[str, Any]:
    width, height, frames = latents
    layers = len(transformer.config.vace_layers)
    return {
        **_wan(transformer, latents),
        "control_hidden_states": on_card(1, 96, frames, height, width),
        "control_hidden_states_scale": on_card(layers),
    }


def _skyreels(transformer: Any, latents: Size) -> dict[str, Any]:
    frames = latents[2]
    timed = {"timestep": on_card(1, frames, dtype=torch.int64), "enable_diffusion_forcing": True}
    return {**_wan(transformer, latents), **timed, "fps": on_card(1, dtype=torch.int64)}


def _helios(transformer: Any, latents: Size) -> dict[str, Any]:
    width, height, _ = latents
    history = {"short": 2, "mid": 2, "long": 16}
    return {
        "hidden_states": on_card(1, 16, 9, height, width),
        "timestep": on_card(1, dtype=torch.int64),
        "encoder_hidden_states": on_card(1, 512, 4096),
        "indices_hidden_states": _indices(9),
        **{f"indices_latents_history_{name}": _indices(count) for name, count in history.items()},
        **{f"latents_history_{name}": on_card(1, 16, count, height, width) for name, count in history.items()},
    }


def _ltx(transformer: Any, latents: Size) -> dict[str, Any]:
    width, height, frames = latents
    return {
        "hidden_states": on_card(1, frames * height * width, 128),
        "encoder_hidden_states": on_card(1, 256, 4096),
        "encoder_attention_mask": on_card(1, 256),
        "timestep": _step(),
        "num_frames": frames,
        "height": height,
        "width": width,
    }


def _ltx2(transformer: Any, latents: Size) -> dict[str, Any]:
    width, height, frames = latents
    sound = round(((frames - 1) * 8 + 1) / 24 * 25)
    is_projected = not transformer.config.use_prompt_embeddings
    text, audio_text = (4096, 2048) if is_projected else (3840, 3840)
    return {
        "hidden_states": on_card(1, frames * height * width, 128),
        "audio_hidden_states": on_card(1, sound, 128),
        "encoder_hidden_states": on_card(1, 1024, text),
        "audio_encoder_hidden_states": on_card(1, 1024, audio_text),
        "encoder_attention_mask": on_card(1, 1024),
        "audio_encoder_attention_mask": on_card(1, 1024),
        "timestep": _step(),
        "sigma": _step(),
        "num_frames": frames,
        "height": height,
        "width": width,
        "audio_num_frames": sound,
    }


def _hunyuan(transformer: Any, latents: Size) -> dict[str, Any]:
    width, height, frames = latents
    return {
        "hidden_states": on_card(1, 16, frames, height, width),
        "timestep": _step(),
        "encoder_hidden_states": on_card(1, 256, 4096),
        "encoder_attention_mask": on_card(1, 256),
        "pooled_projections": on_card(1, 768),
        "guidance": _step(),
    }


def _framepack(transformer: Any, latents: Size) -> dict[str, Any]:
    width, height, _ = latents
    return {
        **_hunyuan(transformer, (width, height, 9)),
        "image_embeds": on_card(1, 729, 1152),
        "indices_latents": on_card(9, dtype=torch.int64),
        "latents_clean": on_card(1, 16, 2, height, width),
        "indices_latents_clean": on_card(2, dtype=torch.int64),
        "latents_history_2x": on_card(1, 16, 2, height, width),
        "indices_latents_history_2x": on_card(2, dtype=torch.int64),
        "latents_history_4x": on_card(1, 16, 16, height, width),
        "indices_latents_history_4x": on_card(16, dtype=torch.int64),
    }


def _hunyuan15(transformer: Any, latents: Size) -> dict[str, Any]:
    width, height, frames = latents
    return {"hidden_states": on_card(1, 65, frames, height, width), "timestep": _step()}


def _walk_hunyuan15(transformer: Any, inputs: dict[str, Any]) -> Any:
    """Its forward sorts the prompt's tokens by what a mask says, which shapes without bytes cannot tell; the prompt is
    small beside the clip, so the rest is walked without."""
    rope = transformer.rope(inputs["hidden_states"])
    temb = transformer.time_embed(inputs["timestep"])
    hidden = transformer.x_embedder(inputs["hidden_states"])
    text, mask = on_card(1, 1985, 2048), on_card(1, 1985, dtype=torch.bool)
    for block in transformer.transformer_blocks:
        hidden, text = block(hidden, text, temb, mask, rope)
    return transformer.proj_out(transformer.norm_out(hidden, temb))


def _cogvideox(transformer: Any, latents: Size) -> dict[str, Any]:
    width, height, frames = latents
    patch_t = transformer.config.patch_size_t or 1
    frames += -frames % patch_t
    tokens = (frames // patch_t) * height * width // 4
    rotary = (on_card(tokens, 64, dtype=torch.float32), on_card(tokens, 64, dtype=torch.float32))
    return {
        "hidden_states": on_card(1, frames, transformer.config.in_channels, height, width),
        "encoder_hidden_states": on_card(1, 226, 4096),
        "timestep": _step(),
        "image_rotary_emb": rotary if transformer.config.use_rotary_positional_embeddings else None,
    }


# --- configurations ------------------------------------------------------------------------------------------------

_WAN_14B = {"cross_attn_norm": True, "qk_norm": "rms_norm_across_heads"}
_WAN_1_3B = {**_WAN_14B, "num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30}
_SKYREELS_14B = {"num_attention_heads": 40, "ffn_dim": 13824, "num_layers": 40, "inject_sample_info": True}
_IMAGE = {"in_channels": 36, "image_dim": 1280, "added_kv_proj_dim": 5120}
_LTX_13B = {
    "num_attention_heads": 32,
    "attention_head_dim": 128,
    "cross_attention_dim": 4096,
    "num_layers": 48,
}
_LTX2_3 = {
    "gated_attn": True,
    "audio_gated_attn": True,
    "cross_attn_mod": True,
    "audio_cross_attn_mod": True,
    "use_prompt_embeddings": False,
    "perturbed_attn": True,
    "rope_type": "split",
}
_LTX_COMPRESSION = {"spatial_compression_ratio": 32, "temporal_compression_ratio": 8}
_LTX_VAE = {
    **_LTX_COMPRESSION,
    "block_out_channels": (128, 256, 512, 1024, 2048),
    "down_block_types": ("LTXVideo095DownBlock3D",) * 4,
    "decoder_block_out_channels": (256, 512, 1024),
    "layers_per_block": (4, 6, 6, 2, 2),
    "decoder_layers_per_block": (5, 5, 5, 5),
    "spatio_temporal_scaling": (True,) * 4,
    "decoder_spatio_temporal_scaling": (True,) * 3,
    "decoder_inject_noise": (False,) * 4,
    "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
    "upsample_residual": (True,) * 3,
    "upsample_factor": (2, 2, 2),
    "timestep_conditioning": True,
}
_LTX2_3_VAE = {
    **_LTX_COMPRESSION,
    "block_out_channels": (256, 512, 1024, 1024),
    "decoder_block_out_channels": (256, 512, 512, 1024),
    "layers_per_block": (4, 6, 4, 2, 2),
    "decoder_layers_per_block": (4, 6, 4, 2, 2),
    "decoder_spatio_temporal_scaling": (True,) * 4,
    "decoder_inject_noise": (False,) * 5,
    "upsample_type": ("spatiotemporal", "spatiotemporal", "temporal", "spatial"),
    "upsample_residual": (False,) * 4,
    "upsample_factor": (2, 2, 1, 2),
    "decoder_causal": False,
    "decoder_spatial_padding_mode": "zeros",
}
_WAN_2_2_VAE = {
    "base_dim": 160,
    "z_dim": 48,
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "decoder_base_dim": 256,
    "scale_factor_temporal": 4,
    "scale_factor_spatial": 16,
    "patch_size": 2,
    "latents_mean": [0.0] * 48,
    "latents_std": [1.0] * 48,
}
_COG_5B = {"num_attention_heads": 48, "num_layers": 42, "use_rotary_positional_embeddings": True}
_LTX_CLIP: dict[str, Any] = {"latent_channels": 128, "pixels_per_latent": 32, "frames_per_latent": 8}


def _models() -> Iterator[FullSize]:
    wan, sky = "WanTransformer3DModel", "SkyReelsV2Transformer3DModel"
    yield FullSize("wan-2.1-1.3b", wan, _WAN_1_3B, _wan)
    yield FullSize("wan-2.1-14b", wan, _WAN_14B, _wan)
    yield FullSize("wan-2.1-14b-i2v-480p", wan, {**_WAN_14B, **_IMAGE}, _wan_image)
    yield FullSize(
        "wan-2.2-5b",
        wan,
        {
            **_WAN_14B,
            "num_attention_heads": 24,
            "ffn_dim": 14336,
            "num_layers": 30,
            "in_channels": 48,
            "out_channels": 48,
        },
        _wan_each_token_timed,
        vae_config=_WAN_2_2_VAE,
        latent_channels=48,
        pixels_per_latent=16,
    )
    vace = "WanVACETransformer3DModel"
    yield FullSize("wan-2.1-vace-1.3b", vace, {**_WAN_1_3B, "vace_layers": [*range(0, 30, 2)]}, _vace)
    yield FullSize("wan-2.1-vace-14b", vace, {**_WAN_14B, "vace_layers": [*range(0, 40, 5)]}, _vace)
    yield FullSize("skyreels-1.3b", sky, {**_WAN_1_3B, "inject_sample_info": True}, _skyreels)
    yield FullSize("skyreels-14b", sky, {**_WAN_14B, **_SKYREELS_14B}, _skyreels)
    yield FullSize("helios", "HeliosTransformer3DModel", {}, _helios)
    ltx = "LTXVideoTransformer3DModel"
    for row, config in (("ltx-video-2b", {}), ("ltx-video-13b", _LTX_13B)):
        yield FullSize(row, ltx, config, _ltx, "AutoencoderKLLTXVideo", _LTX_VAE, decoder_takes_time=True, **_LTX_CLIP)
    ltx2, ltx2_vae = "LTX2VideoTransformer3DModel", "AutoencoderKLLTX2Video"
    yield FullSize("ltx-2", ltx2, {}, _ltx2, ltx2_vae, _LTX_COMPRESSION, **_LTX_CLIP)
    yield FullSize("ltx-2.3", ltx2, _LTX2_3, _ltx2, ltx2_vae, _LTX2_3_VAE, **_LTX_CLIP)
    hunyuan_vae = "AutoencoderKLHunyuanVideo"
    yield FullSize("hunyuan-video", "HunyuanVideoTransformer3DModel", {}, _hunyuan, hunyuan_vae)
    yield FullSize(
        "framepack",
        "HunyuanVideoFramepackTransformer3DModel",
        {"has_image_proj": True, "has_clean_x_embedder": True},
        _framepack,
        hunyuan_vae,
    )
    yield FullSize(
        "hunyuan-video-1.5",
        "HunyuanVideo15Transformer3DModel",
        {},
        _hunyuan15,
        "AutoencoderKLHunyuanVideo15",
        latent_channels=32,
        pixels_per_latent=16,
        forward=_walk_hunyuan15,
    )
    cog, cog_vae = "CogVideoXTransformer3DModel", "AutoencoderKLCogVideoX"
    yield FullSize("cogvideox-2b", cog, {}, _cogvideox, cog_vae)
    yield FullSize("cogvideox-5b", cog, _COG_5B, _cogvideox, cog_vae)
    yield FullSize("cogvideox-5b-i2v", cog, {**_COG_5B, "in_channels": 32}, _cogvideox, cog_vae)
    yield FullSize(
        "cogvideox-1.5-5b",
        cog,
        {
            **_COG_5B,
            "patch_size_t": 2,
            "patch_bias": False,
            "sample_frames": 81,
            "sample_height": 300,
            "sample_width": 300,
        },
        _cogvideox,
        cog_vae,
    )


MODELS = {model.row: model for model in _models()}


# --- text encoders -------------------------------------------------------------------------------------------------

_T5_XXL = {
    "d_model": 4096,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
    "d_kv": 64,
    "feed_forward_proj": "gated-gelu",
}
_LLAMA_3_8B = {
    "vocab_size": 128320,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}
_GEMMA_3_12B = {
    "vocab_size": 262208,
    "hidden_size": 3840,
    "intermediate_size": 15360,
    "num_hidden_layers": 48,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 256,
}
_SIGLIP = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 896,
}
_QWEN_2_5_7B = {
    "vocab_size": 152064,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
}

TEXT_ENCODERS: Mapping[str, Callable[[], torch.nn.Module]] = {
    "ltx-video-2b": lambda: transformers.T5EncoderModel(transformers.T5Config(**_T5_XXL, vocab_size=32128)),
    "cogvideox-5b": lambda: transformers.T5EncoderModel(transformers.T5Config(**_T5_XXL, vocab_size=32128)),
    "wan-2.1-14b": lambda: transformers.UMT5EncoderModel(transformers.UMT5Config(**_T5_XXL, vocab_size=256384)),
    "hunyuan-video": lambda: transformers.LlamaModel(transformers.LlamaConfig(**_LLAMA_3_8B)),
    "ltx-2": lambda: without_unused(transformers.Gemma3ForConditionalGeneration)(
        transformers.Gemma3Config(text_config=_GEMMA_3_12B, vision_config=_SIGLIP)
    ),
    "hunyuan-video-1.5": lambda: transformers.Qwen2_5_VLTextModel(Qwen2_5_VLTextConfig(**_QWEN_2_5_7B)),
}
"""By a row that has it."""
