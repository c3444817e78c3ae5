"""What a new training takes over from a trained pipeline, instead of starting from nothing."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import CogVideoXTransformer3DModel
from transformers import PreTrainedTokenizerFast, T5EncoderModel

from gpu_worker.preview.architecture import REGISTER_TOKENS


def _open_reader(folder: Path) -> tuple[PreTrainedTokenizerFast, T5EncoderModel]:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, subfolder="tokenizer")
    encoder = T5EncoderModel.from_pretrained(folder, subfolder="text_encoder", dtype=torch.float32)
    return tokenizer, encoder.eval().requires_grad_(False)


@torch.no_grad()
def inherit_reader(encoder: T5EncoderModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Give ``encoder`` the weights of the one in ``folder``, word by word: the vocabulary may have changed.

    Words that it does not know keep their random beginning; a register that it does not have begins as its namesake.
    """
    old_tokenizer, old = _open_reader(folder)
    fresh = encoder.shared.weight.clone()
    state = {name: value for name, value in old.state_dict().items() if value.shape != old.shared.weight.shape}
    encoder.load_state_dict(state, strict=False)
    vocabulary = old_tokenizer.get_vocab()
    for word, index in tokenizer.get_vocab().items():
        known = vocabulary.get(word, vocabulary.get(word.replace("second_", "")))
        if known is not None:
            row = old.shared.weight[known]
            fresh[index] = row if word in vocabulary else row + 0.3 * torch.randn_like(row)
    encoder.shared.weight.copy_(fresh)


class FormerReader:
    """The text encoder of a trained pipeline, to be agreed with: what its registers say, the transformer has learnt."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer, self.encoder = _open_reader(folder)
        own = [token for token in REGISTER_TOKENS if token in self.tokenizer.get_vocab()]
        self.registers = [REGISTER_TOKENS.index(token) for token in own]

    @torch.no_grad()
    def states(self, texts: list[str]) -> torch.Tensor:
        """What its registers hold for ``texts``, shape (texts, registers, width)."""
        tokens = self.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
        found: torch.Tensor = self.encoder(tokens.input_ids)[0][:, : len(self.registers)]
        return found


def inherit_transformer(transformer: CogVideoXTransformer3DModel, folder: Path) -> None:
    """Give ``transformer`` the weights of the one in ``folder``, which must be of the same size."""
    former = CogVideoXTransformer3DModel.from_pretrained(folder, subfolder="transformer", torch_dtype=torch.float32)
    transformer.load_state_dict(former.state_dict())
