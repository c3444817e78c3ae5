"""Tokenizers of the kinds that text encoders have, trained on a few words, as files where a checkpoint has them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import sentencepiece
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

CORPUS = [
    "a red fox runs through deep snow while the camera follows it",
    "two blue circles move from left to right on a black background",
    "the light of a lamp falls on an old wooden table in the kitchen",
    "rain on a window, and behind it the lights of a city at night",
] * 8


def byte_level_bpe(folder: Path) -> None:
    """Llama 3 and Qwen."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet))
    tokenizer.save(str(folder / "tokenizer.json"))


def bpe_with_byte_fallback(folder: Path) -> None:
    """Gemma."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=400, special_tokens=pieces))
    tokenizer.save(str(folder / "tokenizer.json"))


def unigram(folder: Path) -> None:
    """T5, as its repositories have it: a file of SentencePiece alone."""
    _sentencepiece(folder / "spiece.model", byte_fallback=False)


def unigram_with_byte_fallback(folder: Path) -> None:
    """UMT5."""
    _sentencepiece(folder / "tokenizer.model", byte_fallback=True)


KINDS: list[Callable[[Path], None]] = [byte_level_bpe, bpe_with_byte_fallback, unigram, unigram_with_byte_fallback]


def checkpoint_with(kind: Callable[[Path], None], place: Path) -> Path:
    """A folder with a tokenizer of that kind and nothing else."""
    (place / "tokenizer").mkdir(parents=True)
    kind(place / "tokenizer")
    return place


def _sentencepiece(file: Path, *, byte_fallback: bool) -> None:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_writer=model,
        vocab_size=360 if byte_fallback else 90,
        model_type="unigram",
        byte_fallback=byte_fallback,
        normalization_rule_name="nmt_nfkc",
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    file.write_bytes(model.getvalue())
