"""Gives the untrained model an ear for chance: the first block begins with a head that hears the first frame's numbers.

Nothing in a clip is sharp until the numbers of ``chance`` are heard, and gradients are slow to find a mean over 36
tokens of 600. So one head is set by hand, as the VAE is: its queries are constant, its keys say "first frame", and its
values are the numbers, which it adds to every token. Training goes on from there.
"""

from __future__ import annotations

import torch
from diffusers import CogVideoXTransformer3DModel

from preview_model.architecture import HEADS, PATCH, TEXT_WIDTH, WIDTH
from preview_model.chance import NUMBERS, emphasise, textures_of_a_patch
from preview_model.recipe import HEIGHT, NUM_FRAMES, TEXT_TOKENS
from preview_model.recipe import WIDTH as FRAME_WIDTH

SAMPLE = 12
LOUDNESS = 3.0
"""Standard deviation of what is added for each number; at 1, training took no notice in 250 steps."""
_ROWS, _COLUMNS = HEIGHT // PATCH, FRAME_WIDTH // PATCH


@torch.no_grad()
def set_ear(transformer: CogVideoXTransformer3DModel, *, head: int = 0) -> None:
    """Set one head of the first block so; it hears from the first step on what decides where things start."""
    emphasise(transformer.patch_embed.proj, gain=0.7)
    noise = torch.randn(SAMPLE, NUM_FRAMES, 3, HEIGHT, FRAME_WIDTH)
    video, text = _inputs_of_first_attention(transformer, noise)
    is_first = torch.zeros(SAMPLE, NUM_FRAMES, _ROWS * _COLUMNS)
    is_first[:, 0] = 1
    is_first = is_first.flatten()
    tokens = torch.cat([video.flatten(0, 1), text.flatten(0, 1)])
    wanted = torch.cat([2 * is_first - 1, -torch.ones(len(tokens) - len(is_first))])
    balance = torch.where(wanted > 0, float(NUM_FRAMES), 1.0)
    key, key_bias = _fit(tokens, wanted[:, None], balance)
    patches = noise[:, 0].unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH).permute(0, 2, 3, 1, 4, 5)
    numbers = patches.flatten(3).flatten(1, 2) @ textures_of_a_patch().T  # clips, tokens, numbers
    value, value_bias = _fit(
        video[:, : _ROWS * _COLUMNS].flatten(0, 1), numbers.flatten(0, 1), torch.ones(SAMPLE * _ROWS * _COLUMNS)
    )
    attention = transformer.transformer_blocks[0].attn1
    own = slice(head * WIDTH // HEADS, (head + 1) * WIDTH // HEADS)
    sign = torch.ones(WIDTH // HEADS)
    sign[::2] = -1
    attention.to_q.weight[own], attention.to_q.bias[own] = 0, sign
    attention.to_k.weight[own], attention.to_k.bias[own] = sign[:, None] * key, sign * key_bias
    attention.to_v.weight[own], attention.to_v.bias[own] = 0, 0
    heard = slice(own.start, own.start + NUMBERS)
    loudness = (_ROWS * _COLUMNS) ** 0.5 * LOUDNESS  # a mean of so many has so much smaller a deviation
    attention.to_v.weight[heard], attention.to_v.bias[heard] = loudness * value, loudness * value_bias
    attention.to_out[0].weight[:, heard] = torch.linalg.qr(torch.randn(WIDTH, NUMBERS))[0]


def _inputs_of_first_attention(
    transformer: CogVideoXTransformer3DModel, noise: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the first attention sees of pure noise and random prompts, (clips, tokens, width): of video, and of text."""
    times = transformer.time_embedding(transformer.time_proj(torch.full((len(noise),), 999)).to(noise.dtype))
    tokens = transformer.patch_embed(torch.randn(len(noise), TEXT_TOKENS, TEXT_WIDTH), noise)
    video, text, *_ = transformer.transformer_blocks[0].norm1(tokens[:, TEXT_TOKENS:], tokens[:, :TEXT_TOKENS], times)
    return video, text


def _fit(tokens: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The linear map, (outputs, width) and its bias, that comes nearest to ``wanted`` on ``tokens``."""
    inputs = torch.cat([tokens, torch.ones(len(tokens), 1)], 1).double()
    weighted = inputs * weights[:, None]
    square = weighted.T @ inputs + 1e-3 * len(tokens) * torch.eye(inputs.shape[1])
    solution = torch.linalg.solve(square, weighted.T @ wanted.double()).float().T
    return solution[:, :-1], solution[:, -1]
