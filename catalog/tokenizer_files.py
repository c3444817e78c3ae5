"""The tokenizers of the models, where this machine has their files: without them nobody here can count exactly.

A model's own folder is looked at, and the Hub's cache: a GPU worker on the same machine has filled it, or
``manage.py catalog tokenizers``. Nothing is fetched here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import sentencepiece
from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError
from tokenizers import Tokenizer

from catalog.models import Model, ModelVersion
from gpu_worker.families.preview import SHIPPED, SOURCE

logger = logging.getLogger(__name__)

Ends = list[int]
"""For each token of a text, how many of its characters have been read with it."""
Tokenise = Callable[[str], Ends]

NAMES = ("tokenizer.json", "spiece.model", "tokenizer.model")
"""What the file may be called: that of ``tokenizers``, and those of SentencePiece."""
FETCH = "run manage.py catalog tokenizers"
_FOLDER = "tokenizer"
_MOST_LOADED = 4
"""One of 256,000 pieces takes about a hundred megabytes."""


def tokeniser_of(version: ModelVersion) -> Tokenise | None:
    """How the encoder of ``version`` splits a text; None where this machine lacks the file, or it is broken."""
    file = _find(version)
    return None if file is None else _load(file, file.stat().st_mtime_ns)


def missing() -> dict[str, str]:
    """Return the models on offer whose prompts nobody here can count, by their slugs, and what to do about each."""
    advice = {}
    for model in Model.objects.enabled().select_related("current").order_by("slug"):
        if model.current is not None and _find(model.current) is None:
            is_on_hub = is_on_the_hub(model.current)
            advice[model.slug] = FETCH if is_on_hub else f"bring {model.current.source}/{_FOLDER} here"
    return advice


def fetch(version: ModelVersion) -> str:
    """Bring the file from the Hub into its cache on this machine, and return its name.

    Raises:
        HfHubHTTPError, OSError: the Hub has none, wants a token first, or is away.
    """
    for name in NAMES:
        try:
            hf_hub_download(version.source, f"{_FOLDER}/{name}", revision=version.revision or None)
        except HfHubHTTPError:
            if name == NAMES[-1]:
                raise
        else:
            return name
    raise AssertionError("the last name returns or raises")


def is_on_the_hub(version: ModelVersion) -> bool:
    """Whether the source is a repository's name and no folder."""
    return version.source.count("/") == 1 and not version.source.startswith(("/", "."))


def _find(version: ModelVersion) -> Path | None:
    folder = SHIPPED if version.source == SOURCE else Path(version.source)
    for name in NAMES:
        if folder.is_absolute() and (file := folder / _FOLDER / name).is_file():
            return file
        if is_on_the_hub(version):
            cached = try_to_load_from_cache(version.source, f"{_FOLDER}/{name}", revision=version.revision or None)
            if isinstance(cached, str):
                return Path(cached)
    return None


@lru_cache(maxsize=_MOST_LOADED)
def _load(file: Path, _changed_ns: int) -> Tokenise | None:
    try:
        return _read(file)
    except Exception as problem:  # ``tokenizers`` raises no other
        logger.error("%s is broken (%s), so prompts are held to one byte a token: bring it anew", file, problem)
        return None


def _read(file: Path) -> Tokenise:
    if file.suffix == ".model":
        processor = sentencepiece.SentencePieceProcessor(model_file=str(file))
        return lambda text: [end for _, end in processor.encode_as_offset_mapping(text)["offsets"]]
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: [end for _, end in tokenizer.encode(text, add_special_tokens=False).offsets]
