"""The preview model's parts, all stock classes of transformers and diffusers, sized to ship in ten megabytes.

The VAE is set by hand to the pixel identity, so diffusion happens on pixels and there is no codec to train. The text
encoder begins every prompt with one register token for each attribute of a scene: the transformer always finds "which
shape", "which motion" at the same place, however the prompt was worded.
"""

from __future__ import annotations

import math

import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    CogVideoXDDIMScheduler,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
)
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from preview_model import recipe
from preview_model.captions import known_words
from preview_model.scene import REGISTERS

PATCH = 8
TEXT_WIDTH = 96
WIDTH = 256
LAYERS = 5
HEADS = 4

REGISTER_TOKENS = tuple(f"<{name}>" for name in REGISTERS)
ANYTHING = "<anything>"
"""A prompt of this token alone asks for no clip in particular: the empty side of classifier-free guidance."""


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Words to ids. Case, punctuation and every unknown word are dropped, so they cannot do harm."""
    specials = ("<pad>", "</s>", "<unk>", *REGISTER_TOKENS, ANYTHING)
    vocabulary = {word: index for index, word in enumerate((*specials, *known_words()))}
    words = "|".join(known_words())
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))  # noqa: S106 -- a token of the vocabulary
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"[^\w\s]|_"), " "),
            normalizers.Replace(Regex(rf"\b(?!(?:{words})\b)\w+"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{' '.join(REGISTER_TOKENS)} $A </s>",
        special_tokens=[(token, vocabulary[token]) for token in (*REGISTER_TOKENS, "</s>")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",  # noqa: S106
        eos_token="</s>",  # noqa: S106
        unk_token="<unk>",  # noqa: S106
        extra_special_tokens=[*REGISTER_TOKENS, ANYTHING],
        model_max_length=recipe.TEXT_TOKENS,
        padding_side="right",
        model_input_names=["input_ids", "attention_mask"],
    )


def build_text_encoder(vocabulary_size: int) -> T5EncoderModel:
    """A T5 encoder of 0.3 million weights."""
    encoder = T5EncoderModel(
        T5Config(
            vocab_size=vocabulary_size,
            d_model=TEXT_WIDTH,
            d_kv=24,
            d_ff=192,
            num_layers=3,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            relative_attention_num_buckets=32,
            relative_attention_max_distance=24,
            is_encoder_decoder=False,
            use_cache=False,
            pad_token_id=0,
            eos_token_id=1,
            tie_word_embeddings=False,
        )
    )
    with torch.no_grad():
        encoder.shared.weight.normal_(0, 1.0)
    return encoder


def build_transformer() -> CogVideoXTransformer3DModel:
    """The denoiser, 4.6 million weights, initialised for pixels.

    Positions are absolute (sin-cos): at the highest noise the input says nothing, and only these tell a token where it
    is. Their scales stretch a grid of 6 × 6 × 16 so that neighbours get clearly different codes.
    """
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=HEADS,
        attention_head_dim=WIDTH // HEADS,
        in_channels=3,
        out_channels=3,
        time_embed_dim=32,
        text_embed_dim=TEXT_WIDTH,
        num_layers=LAYERS,
        sample_width=recipe.WIDTH,
        sample_height=recipe.HEIGHT,
        sample_frames=recipe.NUM_FRAMES,
        patch_size=PATCH,
        temporal_compression_ratio=1,
        max_text_seq_length=recipe.TEXT_TOKENS,
        spatial_interpolation_scale=0.05,
        temporal_interpolation_scale=0.1,
    )
    with torch.no_grad():
        _initialise(transformer)
    return transformer


def _initialise(transformer: CogVideoXTransformer3DModel) -> None:
    for name, weight in transformer.named_parameters():
        if weight.ndim == 2:
            torch.nn.init.xavier_uniform_(weight)
        elif name.endswith("bias"):
            weight.zero_()
    transformer.patch_embed.proj.weight.normal_(0, 0.5 / math.sqrt(3 * PATCH * PATCH))
    towards_text = torch.randn(WIDTH)
    for block in transformer.transformer_blocks:
        for norm in (block.norm1, block.norm2):
            norm.linear.weight.normal_(0, 0.02)
            shifts = norm.linear.bias.view(6, WIDTH)  # shift, scale, gate of the video, then of the text
            shifts[2] = 0.7
            shifts[5] = 0.7
        # Text is 32 of 600 tokens. A common shift of the text, which every query looks for, gives it most of the
        # attention from the start.
        block.norm1.linear.bias.view(6, WIDTH)[3] = towards_text
        block.attn1.to_q.bias.copy_(0.7 * (block.attn1.to_k.weight @ towards_text))
    transformer.norm_out.linear.weight.normal_(0, 0.02)
    transformer.proj_out.weight.mul_(0.1)


def build_vae() -> AutoencoderKLCogVideoX:
    """A VAE whose weights are set by hand so that encoding and decoding are the identity on pixels.

    Twelve channels carry, for each colour x, the four values [x, -x, K, -K]: the group norm then sees mean 0 and a
    variance of almost exactly K²/2 whatever x is, and ``silu(a) - silu(-a) = a`` undoes the activation.
    """
    vae = AutoencoderKLCogVideoX(
        block_out_channels=(12,),
        down_block_types=("CogVideoXDownBlock3D",),
        up_block_types=("CogVideoXUpBlock3D",),
        latent_channels=3,
        layers_per_block=0,
        norm_num_groups=3,
        temporal_compression_ratio=1,
        sample_height=recipe.HEIGHT,
        sample_width=recipe.WIDTH,
        scaling_factor=1.0,
    )
    with torch.no_grad():
        _set_to_identity(vae)
    return vae


def _set_to_identity(vae: AutoencoderKLCogVideoX) -> None:
    constant = 64.0
    for name, weight in vae.named_parameters():
        weight.zero_()
        is_norm_scale = "norm" in name and name.endswith("weight") and "conv" not in name
        if is_norm_scale or name.endswith("conv_y.conv.bias"):
            weight.fill_(1.0)
    for coder in (vae.encoder, vae.decoder):
        for colour in range(3):
            first = 4 * colour
            entry, exit_ = coder.conv_in.conv, coder.conv_out.conv
            entry.weight[first, colour, 2, 1, 1] = 1
            entry.weight[first + 1, colour, 2, 1, 1] = -1
            entry.bias[first + 2] = constant
            entry.bias[first + 3] = -constant
            exit_.weight[colour, first, 2, 1, 1] = constant / math.sqrt(2)
            exit_.weight[colour, first + 1, 2, 1, 1] = -constant / math.sqrt(2)
    vae.encoder.conv_out.conv.bias[3:] = -30.0  # log-variance: sampling the latent adds nothing


def build_scheduler() -> CogVideoXDDIMScheduler:
    """DDIM that predicts the clip itself and starts from pure noise (zero terminal signal-to-noise ratio)."""
    return CogVideoXDDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="scaled_linear",
        prediction_type="sample",
        rescale_betas_zero_snr=True,
        snr_shift_scale=3.0,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
    )


def assemble(text_encoder: T5EncoderModel, transformer: CogVideoXTransformer3DModel) -> CogVideoXPipeline:
    """The pipeline of two trained parts and the three that need no training, in half precision as it is shipped."""
    pipeline = CogVideoXPipeline(
        tokenizer=build_tokenizer(),
        text_encoder=text_encoder,
        vae=build_vae(),
        transformer=transformer,
        scheduler=build_scheduler(),
    )
    pipeline.to(torch.float16)
    return pipeline
