"""What a new training takes over from a trained pipeline, instead of starting from nothing.

Only the transformer: a text encoder is trained in minutes. The new one speaks another language than the one that the
transformer has learnt, so a linear map, fitted to captions that both read, translates.
"""

from __future__ import annotations

import random
from pathlib import Path

import torch
from diffusers import CogVideoXTransformer3DModel
from transformers import PreTrainedTokenizerFast, T5EncoderModel

from preview_model.architecture import REGISTER_TOKENS
from preview_model.reading import draw_caption, tokenize

CAPTIONS = 3000
WORDS_MATTER = 0.01


@torch.no_grad()
def inherit_transformer(
    transformer: CogVideoXTransformer3DModel, folder: Path, tokenizer: PreTrainedTokenizerFast, encoder: T5EncoderModel
) -> None:
    """Give ``transformer`` the weights of the one in ``folder``, of the same size, and translate what ``encoder`` says.

    Registers that the former encoder does not have say at first what its words said on average: nothing.
    """
    former = CogVideoXTransformer3DModel.from_pretrained(folder, subfolder="transformer", torch_dtype=torch.float32)
    former_tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, subfolder="tokenizer")
    former_encoder = T5EncoderModel.from_pretrained(folder, subfolder="text_encoder", dtype=torch.float32).eval()
    transformer.load_state_dict(former.state_dict())
    rng = random.Random(0)
    texts = [draw_caption(rng, pair_rate=0.0)[1] for _ in range(CAPTIONS)]
    heard = encoder(tokenize(tokenizer, texts))[0]
    understood = former.patch_embed.text_proj(former_encoder(tokenize(former_tokenizer, texts))[0])
    known = [token for token in REGISTER_TOKENS if token in former_tokenizer.get_vocab()]
    wanted = understood[:, len(known) :].mean((0, 1)).repeat(*heard.shape[:2], 1)
    wanted[:, [REGISTER_TOKENS.index(token) for token in known]] = understood[:, : len(known)]
    importance = torch.where(torch.arange(heard.shape[1]) < len(REGISTER_TOKENS), 1.0, WORDS_MATTER)
    inputs = torch.cat([heard, torch.ones(*heard.shape[:2], 1)], -1)
    weighted = (importance[:, None] * inputs).flatten(0, 1).double()
    inputs = inputs.flatten(0, 1).double()
    ridge = 1e-6 * len(inputs) * torch.eye(inputs.shape[1])
    solution = torch.linalg.solve(weighted.T @ inputs + ridge, weighted.T @ wanted.flatten(0, 1).double()).float()
    projection = transformer.patch_embed.text_proj
    projection.weight.copy_(solution[:-1].T)
    projection.bias.copy_(solution[-1])
