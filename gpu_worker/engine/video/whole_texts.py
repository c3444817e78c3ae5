"""Prompts that an encoder reads to their end, or not at all.

Tokenizers cut off what is beyond ``max_length`` without a word. The site counts before it takes a request; what it let
through all the same is found here, and nobody pays for words that nothing has read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from gpu_worker.engine.errors import UnsupportedRequest


@contextmanager
def read_to_the_end(pipeline: Any, names: Iterable[str]) -> Iterator[None]:
    """The tokenizers of ``pipeline`` by these names refuse what they would cut off, for the time of the block.

    Raises:
        UnsupportedRequest: from the block, with how long the text is and how much of it is read.
    """
    with ExitStack() as undo:
        for tokenizer in filter(None, (getattr(pipeline, name, None) for name in names)):
            undo.callback(setattr, tokenizer, "__class__", type(tokenizer))
            tokenizer.__class__ = _refusing(type(tokenizer))
        yield


def _refusing(cls: Any) -> Any:
    """A subclass, since pipelines ask a tokenizer for a chat's tokens too, which calls the tokenizer itself."""

    def call(self: Any, text: Any = None, *args: Any, **kwargs: Any) -> Any:
        most = kwargs.get("max_length")
        if text is not None and kwargs.get("truncation") and most is not None:
            marks = {key: kwargs[key] for key in ("add_special_tokens",) if key in kwargs}
            tokens = cls.__call__(self, text, **marks)["input_ids"]
            count = max(map(len, tokens)) if tokens and isinstance(tokens[0], list) else len(tokens)
            if count > most:
                raise UnsupportedRequest(
                    f"The text has {count:,} tokens and the model reads {most:,}: shorten it by about "
                    f"{(count - most) / count:.0%}"
                )
        return cls.__call__(self, text, *args, **kwargs)

    return type(cls.__name__, (cls,), {"__call__": call, "__module__": cls.__module__})
