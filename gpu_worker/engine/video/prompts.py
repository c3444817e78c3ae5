"""Prompt embeddings: made apart from the rest of a render, and remembered.

The largest component of most models is the text encoder, and a render needs it for a fraction of its time. So the
pipeline runs twice. First over hulls, until it has asked for its embeddings: only the encoders are leased then, and
not even they when the answer is remembered. Then over everything else, with the embeddings at hand.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch

from gpu_worker.engine.video.pipelines import replaced
from gpu_worker.engine.weights.storages import storage_bytes

Embeddings = Any
"""What a pipeline's ``encode_prompt`` returns: tensors and None, in tuples."""


class PromptMemory:
    """Embeddings in main memory by encoder and prompt, the least recently used dropped first."""

    def __init__(self, budget_bytes: int) -> None:
        self.hits = self.misses = 0
        self.encodings: defaultdict[str, int] = defaultdict(lambda: 1)
        """How often each pipeline asks for embeddings in one render, as far as that was seen."""
        self._budget_bytes = budget_bytes
        self._used_bytes = 0
        self._known: OrderedDict[str, tuple[Embeddings, int]] = OrderedDict()

    def get(self, key: str) -> Embeddings | None:
        if key not in self._known:
            self.misses += 1
            return None
        self.hits += 1
        self._known.move_to_end(key)
        return self._known[key][0]

    def put(self, key: str, embeddings: Embeddings) -> None:
        size_bytes = storage_bytes(_tensors(embeddings))
        if size_bytes > self._budget_bytes:
            return
        self._used_bytes += size_bytes - self._known.pop(key, (None, 0))[1]
        self._known[key] = (embeddings, size_bytes)
        while self._used_bytes > self._budget_bytes:
            _, (_, dropped_bytes) = self._known.popitem(last=False)
            self._used_bytes -= dropped_bytes


class _AllEncoded(Exception):
    """Ends the rehearsal."""


class EncodingDue(Exception):
    """The pipeline asks for one embedding more than the rehearsal prepared."""


class PromptEncoder:
    """The embeddings of one render.

    ``encode`` is called with the pipeline's own ``encode_prompt`` and has to lease the encoders for the call.
    ``identity`` names the encoders: equal identities give equal embeddings.
    """

    def __init__(
        self,
        memory: PromptMemory,
        *,
        identity: str,
        device: torch.device,
        encode: Callable[[Any, Callable[[], Embeddings]], Embeddings],
    ) -> None:
        self._memory = memory
        self._identity = identity
        self._device = device
        self._encode = encode
        self._prepared: list[Embeddings] = []

    def rehearse(self, pipeline: Any, call: Mapping[str, Any]) -> None:
        """Run ``pipeline`` (over hulls) until it has asked for its embeddings, and prepare them.

        Raises:
            TypeError, ValueError: the pipeline refused its arguments.
        """
        asked = 0

        def wrap(original: Callable[..., Embeddings]) -> Callable[..., Embeddings]:
            def encode_prompt(*args: Any, **kwargs: Any) -> Embeddings:
                nonlocal asked
                if asked == len(self._prepared):
                    self._prepared.append(self._embeddings(pipeline, original, args, kwargs))
                asked += 1
                if asked >= self._memory.encodings[type(pipeline).__name__]:
                    raise _AllEncoded
                return _moved(self._prepared[asked - 1], self._device)

            return encode_prompt

        with replaced(pipeline, "encode_prompt", wrap):
            try:
                pipeline(**call)
            except _AllEncoded:
                return

    def recalled(self, pipeline: Any) -> AbstractContextManager[None]:
        """``pipeline`` gets the prepared embeddings for the time of the block.

        It raises ``EncodingDue`` when it asks for more: rehearse again, and it will be prepared.
        """
        asked = 0

        def wrap(original: Callable[..., Embeddings]) -> Callable[..., Embeddings]:
            def encode_prompt(*args: Any, **kwargs: Any) -> Embeddings:
                nonlocal asked
                asked += 1
                if asked > len(self._prepared):
                    self._memory.encodings[type(pipeline).__name__] = asked
                    raise EncodingDue
                return _moved(self._prepared[asked - 1], self._device)

            return encode_prompt

        return replaced(pipeline, "encode_prompt", wrap)

    def _embeddings(
        self, pipeline: Any, original: Callable[..., Embeddings], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Embeddings:
        kwargs = {**kwargs, "device": self._device}  # a pipeline over hulls does not know where it runs
        key = self._key(pipeline, args, kwargs)
        embeddings = self._memory.get(key) if key else None
        if embeddings is None:
            embeddings = _moved(self._encode(pipeline, lambda: original(*args, **kwargs)), torch.device("cpu"))
            if key:
                self._memory.put(key, embeddings)
        return embeddings

    def _key(self, pipeline: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        """None for arguments that are no plain values, such as pictures: those are not remembered."""
        plain = {k: str(v) if isinstance(v, (torch.device, torch.dtype)) else v for k, v in kwargs.items()}
        try:
            text = json.dumps([self._identity, type(pipeline).__name__, args, plain], sort_keys=True)
        except TypeError:
            return None
        return hashlib.sha256(text.encode()).hexdigest()


def _tensors(embeddings: Embeddings) -> list[torch.Tensor]:
    if isinstance(embeddings, torch.Tensor):
        return [embeddings]
    if isinstance(embeddings, (tuple, list)):
        return [tensor for item in embeddings for tensor in _tensors(item)]
    return []


def _moved(embeddings: Embeddings, device: torch.device) -> Embeddings:
    if isinstance(embeddings, torch.Tensor):
        return embeddings.to(device)
    if isinstance(embeddings, (tuple, list)):
        return type(embeddings)(_moved(item, device) for item in embeddings)
    return embeddings
