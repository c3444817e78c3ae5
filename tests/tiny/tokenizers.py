"""Character-level tokenizers made on the spot: no vocabulary files, no downloads."""

from __future__ import annotations

import string

from transformers import CLIPTokenizer, GemmaTokenizer, LlamaTokenizer, T5Tokenizer

CHARACTERS = [c for c in string.printable if not c.isspace()]
_WORD_START = "\u2581"


def t5_tokenizer(max_length: int = 512) -> T5Tokenizer:
    """One Unigram piece for each printable ASCII character; ids 0 to 2 are pad, end and unknown, as T5 has them."""
    specials = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), (_WORD_START, -2.0)]
    return T5Tokenizer(vocab=[*specials, *((c, -3.0) for c in CHARACTERS)], extra_ids=0, model_max_length=max_length)


def llama_tokenizer(max_length: int = 512) -> LlamaTokenizer:
    """BPE without merges. The pad token is a must: HunyuanVideo pads."""
    return LlamaTokenizer(
        vocab=_bpe_vocabulary("<unk>", "<s>", "</s>", "<pad>"),
        merges=[],
        pad_token="<pad>",
        model_max_length=max_length,
        padding_side="right",
    )


def gemma_tokenizer(max_length: int = 1024) -> GemmaTokenizer:
    images = ("<start_of_image>", "<end_of_image>", "<image_soft_token>")
    return GemmaTokenizer(
        vocab=_bpe_vocabulary("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *images),
        merges=[],
        model_max_length=max_length,
    )


def clip_tokenizer(max_length: int = 77) -> CLIPTokenizer:
    """Each character plain and as the end of a word, which is how CLIP spells."""
    pieces = ["<|startoftext|>", "<|endoftext|>", *(p for c in CHARACTERS for p in (c, c + "</w>"))]
    return CLIPTokenizer(
        vocab={piece: index for index, piece in enumerate(pieces)}, merges=[], model_max_length=max_length
    )


def _bpe_vocabulary(*specials: str) -> dict[str, int]:
    byte_pieces = [f"<0x{byte:02X}>" for byte in range(256)]
    pieces = dict.fromkeys([*specials, _WORD_START, *CHARACTERS, *byte_pieces])
    return {piece: index for index, piece in enumerate(pieces)}
