"""LTX-2 with random weights: video at 32 pixels and 8 frames to a latent, sound from a mel spectrogram of 16 kHz."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    FlowMatchEulerDiscreteScheduler,
    LTX2Pipeline,
    LTX2VideoTransformer3DModel,
)
from diffusers.pipelines.ltx2 import LTX2TextConnectors
from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma4UnifiedConfig,
    Gemma4UnifiedForConditionalGeneration,
)

from tests.tiny.text_encoders import WIDTH
from tests.tiny.tokenizers import gemma_tokenizer

AUDIO_WIDTH = WIDTH // 2
SAMPLE_RATE, HOP_LENGTH, OUTPUT_RATE, MEL_BINS = 16_000, 160, 24_000, 16


def build(folder: Path, *, seed: int = 0, is_2_5: bool = False) -> Path:
    """Save the pipeline into ``folder``, with the text encoder of LTX-2.5 or that of those before it."""
    tokenizer = gemma_tokenizer()
    torch.manual_seed(seed)
    text_encoder = _text_encoder_2_5(tokenizer) if is_2_5 else _text_encoder(tokenizer)
    text_layers = text_encoder.config.text_config.num_hidden_layers
    audio_vae = _audio_vae()
    pipeline = LTX2Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=_video_vae(),
        audio_vae=audio_vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        connectors=_connectors(text_layers),
        transformer=_transformer(),
        vocoder=_vocoder(audio_vae),
        processor=None,
        prompt_enhancer=None,
        duration_head=None,
    )
    pipeline.save_pretrained(folder)
    return folder


def _text_encoder(tokenizer: object) -> Gemma3ForConditionalGeneration:
    ids = tokenizer.convert_tokens_to_ids  # type: ignore[attr-defined]
    text = {
        "vocab_size": len(tokenizer),  # type: ignore[arg-type]
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": WIDTH // 2,
        "sliding_window": 512,
        "max_position_embeddings": 2048,
        "pad_token_id": ids("<pad>"),
        "bos_token_id": ids("<bos>"),
        "eos_token_id": ids("<eos>"),
    }
    vision = {
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "patch_size": 14,
        "image_size": 28,
        "num_channels": 3,
    }
    config = Gemma3Config(
        text_config=text,
        vision_config=vision,
        mm_tokens_per_image=4,
        boi_token_index=ids("<start_of_image>"),
        eoi_token_index=ids("<end_of_image>"),
        image_token_index=ids("<image_soft_token>"),
    )
    return Gemma3ForConditionalGeneration(config).eval()


def _text_encoder_2_5(tokenizer: object) -> Gemma4UnifiedForConditionalGeneration:
    """Gemma 4, which looks and listens without towers; the layers that see the whole text have wider heads."""
    ids = tokenizer.convert_tokens_to_ids  # type: ignore[attr-defined]
    text = {
        "vocab_size": len(tokenizer),  # type: ignore[arg-type]
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 2,
        "layer_types": ["sliding_attention", "full_attention"],
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": WIDTH // 2,
        "per_layer_config": {"1": {"head_dim": WIDTH}},
        "sliding_window": 512,
        "max_position_embeddings": 2048,
        "pad_token_id": ids("<pad>"),
        "bos_token_id": ids("<bos>"),
        "eos_token_id": ids("<eos>"),
    }
    vision = {"patch_size": 4, "pooling_kernel_size": 1, "mm_embed_dim": WIDTH, "mm_posemb_size": 8}
    config = Gemma4UnifiedConfig(text_config=text, vision_config=vision, audio_config={"audio_embed_dim": 16})
    return Gemma4UnifiedForConditionalGeneration(config).eval()


def _transformer() -> LTX2VideoTransformer3DModel:
    return LTX2VideoTransformer3DModel(
        in_channels=4,
        out_channels=4,
        patch_size=1,
        patch_size_t=1,
        num_attention_heads=2,
        attention_head_dim=WIDTH // 2,
        cross_attention_dim=WIDTH,
        audio_in_channels=8,
        audio_out_channels=8,
        audio_num_attention_heads=2,
        audio_attention_head_dim=AUDIO_WIDTH // 2,
        audio_cross_attention_dim=AUDIO_WIDTH,
        num_layers=2,
        qk_norm="rms_norm_across_heads",
        caption_channels=WIDTH,
        rope_double_precision=False,
        rope_type="split",
    )


def _connectors(text_layers: int) -> LTX2TextConnectors:
    return LTX2TextConnectors(
        caption_channels=WIDTH,
        text_proj_in_factor=text_layers + 1,
        video_connector_num_attention_heads=2,
        video_connector_attention_head_dim=WIDTH // 2,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=None,
        audio_connector_num_attention_heads=2,
        audio_connector_attention_head_dim=WIDTH // 2,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=None,
        connector_rope_base_seq_len=32,
        rope_theta=10000.0,
        rope_double_precision=False,
        causal_temporal_positioning=False,
        rope_type="split",
    )


def _video_vae() -> AutoencoderKLLTX2Video:
    """The ratios are named: left out, they come out twice as large and so do all sizes."""
    return AutoencoderKLLTX2Video(
        latent_channels=4,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1),
        spatio_temporal_scaling=(True,) * 4,
        decoder_spatio_temporal_scaling=(True,) * 3,
        decoder_inject_noise=(False,) * 4,
        downsample_type=("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
        upsample_residual=(True,) * 3,
        upsample_factor=(1, 1, 1),
        timestep_conditioning=False,
        patch_size=4,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
        spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )


def _audio_vae() -> AutoencoderKLLTX2Audio:
    return AutoencoderKLLTX2Audio(
        base_channels=8,  # = latent_channels · mel_bins / 4, or the latents cannot be denormalised
        output_channels=2,
        ch_mult=(1, 1, 1),
        num_res_blocks=1,
        attn_resolutions=None,
        in_channels=2,
        resolution=32,
        latent_channels=2,
        norm_type="pixel",
        causality_axis="height",
        dropout=0.0,
        mid_block_add_attention=False,
        sample_rate=SAMPLE_RATE,
        mel_hop_length=HOP_LENGTH,
        is_causal=True,
        mel_bins=MEL_BINS,
    )


def _vocoder(audio_vae: AutoencoderKLLTX2Audio) -> LTX2Vocoder:
    """Its factors multiply to the samples of a mel frame, 160 · 24,000 / 16,000, or the sound has another length."""
    return LTX2Vocoder(
        in_channels=audio_vae.config.output_channels * MEL_BINS,
        hidden_channels=32,
        out_channels=2,
        upsample_kernel_sizes=[16, 15, 8],
        upsample_factors=[8, 5, 6],
        resnet_kernel_sizes=[3],
        resnet_dilations=[[1, 3, 5]],
        leaky_relu_negative_slope=0.1,
        output_sampling_rate=OUTPUT_RATE,
    )
