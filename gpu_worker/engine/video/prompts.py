"""Prompt embeddings, and what else comes before the first step: made apart from the rest of a render, and remembered.

The largest component of most models is the text encoder, and a render needs it for a fraction of its time; encoders of
pictures, and what connects text to a transformer, likewise. So the pipeline runs twice. First over meta modules, until
it has asked for all that they make: only they are leased then, one kind at a time, and not even they when the answer is
remembered. Then over everything else, with the answers at hand.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from gpu_worker.engine.video.pipelines import replace_method
from gpu_worker.engine.weights.storages import storage_bytes

Embeddings = Any
"""What a pipeline's ``encode_prompt`` returns: tensors and None, in tuples."""


LEAST_PROMPT_MEMORY_BYTES = 256 * 2**20
PROMPT_MEMORY_FRACTION = 1 / 32
"""Of main memory. A prompt of LTX-2 with a negative one is 25 MB."""


def prompt_memory_bytes(host_bytes: int) -> int:
    """What remembered prompts may take of a host's main memory."""
    return max(LEAST_PROMPT_MEMORY_BYTES, int(host_bytes * PROMPT_MEMORY_FRACTION))


class PromptMemory:
    """Embeddings in main memory by encoder and prompt, the least recently used dropped first."""

    def __init__(self, budget_bytes: int) -> None:
        self.hits = self.misses = 0
        self.encodings: defaultdict[str, int] = defaultdict(lambda: 1)
        """How often each pipeline asks for embeddings in one render, as far as that was seen."""
        self.used_bytes = 0
        self._budget_bytes = budget_bytes
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
        self.used_bytes += size_bytes - self._known.pop(key, (None, 0))[1]
        self._known[key] = (embeddings, size_bytes)
        while self.used_bytes > self._budget_bytes:
            _, (_, dropped_bytes) = self._known.popitem(last=False)
            self.used_bytes -= dropped_bytes


@dataclass(frozen=True, slots=True)
class Question:
    """Something that a pipeline asks of encoders: by which of its methods, or by calling which of its modules."""

    name: str
    encoders: str
    """What the names of those begin with that answer it."""
    is_module: bool = False


Run = Callable[[Mapping[str, torch.nn.Module]], Embeddings]
"""Answers a question with the modules that were leased for it."""
PROMPT = Question("encode_prompt", "text_encoder")
_QUESTIONS = (PROMPT, Question("encode_image", "image_encoder"), Question("connectors", "connectors", is_module=True))


class _AllEncoded(Exception):
    """Ends the rehearsal."""


class _WholeTextDue(Exception):
    """A module is asked about a text of which only the outline was kept."""


class EncodingDue(Exception):
    """The pipeline asks for one embedding more than the rehearsal prepared."""


class PromptEncoder:
    """The embeddings of one render.

    What a text encoder said, where a module is asked about it and nobody else, is kept as an outline: shapes without
    their bytes, which are hundreds of megabytes, of LTX-2 thirty times those of the module's answer.

    ``encode`` is called with the pipeline, a question and what answers it, once the encoders for it are leased.
    ``encoders`` are the keys of all of them by name: equal keys give equal embeddings.
    """

    def __init__(
        self,
        memory: PromptMemory,
        *,
        encoders: Mapping[str, str],
        device: torch.device,
        encode: Callable[[Any, Question, Run], Embeddings],
    ) -> None:
        self._memory = memory
        self._identity = ",".join(encoders.values())
        self._device = device
        self._encode = encode
        self._questions = [q for q in _QUESTIONS if q is PROMPT or any(n.startswith(q.encoders) for n in encoders)]
        self._prepared: dict[str, list[Embeddings]] = {question.name: [] for question in self._questions}
        self._keys: list[str | None] = []
        self._is_outlined = any(question.is_module for question in self._questions)
        self._are_outlines_refused = False

    def rehearse(self, pipeline: Any, call: Mapping[str, Any]) -> None:
        """Run ``pipeline`` (over meta modules) until it has asked for its embeddings, and prepare them.

        Raises:
            TypeError, ValueError: the pipeline refused its arguments.
        """
        try:
            self._rehearse(pipeline, call)
        except _WholeTextDue:
            self._are_outlines_refused = True
            for prepared in self._prepared.values():
                prepared.clear()
            self._rehearse(pipeline, call)
        if self._is_outlined:
            self._prepared[PROMPT.name] = [_outlined(embeddings) for embeddings in self._prepared[PROMPT.name]]

    def _rehearse(self, pipeline: Any, call: Mapping[str, Any]) -> None:
        asked: Counter[str] = Counter()
        self._keys = []

        def answer(question: Question, original: Callable[..., Embeddings], *args: Any, **kwargs: Any) -> Embeddings:
            prepared = self._prepared[question.name]
            if not question.is_module:
                args, kwargs = (), self._arguments(original, args, kwargs)
            key = self._key(pipeline, question, args, kwargs)
            self._keys.append(key)
            if asked[question.name] == len(prepared):

                def run(modules: Mapping[str, torch.nn.Module]) -> Embeddings:
                    return (modules[question.name] if question.is_module else original)(*args, **kwargs)

                prepared.append(self._embeddings(pipeline, question, key, run))
            asked[question.name] += 1
            kind = type(pipeline).__name__
            if all(asked[q.name] >= self._memory.encodings[f"{kind}.{q.name}"] for q in self._questions):
                raise _AllEncoded
            return _moved(prepared[asked[question.name] - 1], self._device)

        with ExitStack() as replacements:
            for listener in self._asking(pipeline, answer):
                replacements.enter_context(listener)
            for owner, method in ((getattr(pipeline, "vae", None), "encode"), (pipeline, "progress_bar")):
                if hasattr(owner, method):
                    replacements.enter_context(replace_method(owner, method, partial(self._end_at, pipeline, asked)))
            with suppress(_AllEncoded):
                pipeline(**call)

    def _end_at(self, pipeline: Any, asked: Mapping[str, int], original: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap ``original``, which needs weights, so that the rehearsal ends there once the prompt has been asked for.

        HunyuanVideo encodes a given picture before that, which does for its shape.
        """

        def end(*args: Any, **kwargs: Any) -> Any:
            if asked[PROMPT.name] < self._memory.encodings[f"{type(pipeline).__name__}.{PROMPT.name}"]:
                return original(*args, **kwargs)
            raise _AllEncoded

        return end

    @contextmanager
    def recalled(self, pipeline: Any) -> Iterator[None]:
        """``pipeline`` gets the prepared embeddings for the time of the block.

        It raises ``EncodingDue`` when it asks for more: rehearse again, and it will be prepared.
        """
        asked: Counter[str] = Counter()

        def answer(question: Question, original: Callable[..., Embeddings], *args: Any, **kwargs: Any) -> Embeddings:
            asked[question.name] += 1
            prepared = self._prepared[question.name]
            if asked[question.name] > len(prepared):
                self._memory.encodings[f"{type(pipeline).__name__}.{question.name}"] = asked[question.name]
                raise EncodingDue
            return _moved(prepared[asked[question.name] - 1], self._device)

        with ExitStack() as replacements:
            for listener in self._asking(pipeline, answer):
                replacements.enter_context(listener)
            yield

    def _asking(self, pipeline: Any, answer: Callable[..., Embeddings]) -> Iterator[AbstractContextManager[None]]:
        """What the pipeline asks goes to ``answer`` for the time of the blocks."""
        for question in self._questions:
            if question.is_module:
                yield _called_instead(pipeline, question.name, partial(answer, question))
            elif hasattr(pipeline, question.name):
                yield replace_method(pipeline, question.name, partial(partial, answer, question))

    def _embeddings(self, pipeline: Any, question: Question, key: str | None, run: Run) -> Embeddings:
        is_outlined = self._is_outlined and question is PROMPT
        is_looked_up = key is not None and not (is_outlined and self._are_outlines_refused)
        embeddings = self._memory.get(key) if key and is_looked_up else None
        if embeddings is None:
            if question.is_module and any(map(_is_outline, _tensors(self._prepared[PROMPT.name]))):
                raise _WholeTextDue
            embeddings = _moved(self._encode(pipeline, question, run), torch.device("cpu"))
            if key:
                self._memory.put(key, _outlined(embeddings) if is_outlined else embeddings)
        return embeddings

    def _arguments(self, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """All arguments by name, on the device where it runs: a pipeline over meta modules does not know it."""
        bound = inspect.signature(original).bind(*args, **kwargs)
        return {**bound.arguments, "device": self._device}

    def _key(self, pipeline: Any, question: Question, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        """What the answer is remembered under. None for arguments that are no plain values, such as pictures.

        A module is asked with tensors; what they are follows from what was asked before.
        """
        given: list[Any] = [args, kwargs]
        if question.is_module:
            if not all(self._keys):
                return None
            given = [list(self._keys), {k: v for k, v in kwargs.items() if not isinstance(v, torch.Tensor)}]
        try:
            text = json.dumps(
                [self._identity, type(pipeline).__name__, question.name, given], sort_keys=True, default=_named
            )
        except TypeError:
            return None
        return hashlib.sha256(text.encode()).hexdigest()


def _named(value: Any) -> str:
    if isinstance(value, (torch.device, torch.dtype)):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no plain value")


@contextmanager
def _called_instead(pipeline: Any, name: str, call: Callable[..., Embeddings]) -> Iterator[None]:
    """``pipeline`` finds a function where its module ``name`` was, for the time of the block. diffusers takes nothing
    but modules by its front door, and for a pipeline's device the one of any module that it finds."""
    own = pipeline.__dict__[name]
    pipeline.__dict__[name] = partial(call, own)
    try:
        yield
    finally:
        pipeline.__dict__[name] = own


def _tensors(embeddings: Embeddings) -> list[torch.Tensor]:
    if isinstance(embeddings, torch.Tensor):
        return [embeddings]
    if isinstance(embeddings, (tuple, list)):
        return [tensor for item in embeddings for tensor in _tensors(item)]
    return []


def _moved(embeddings: Embeddings, device: torch.device) -> Embeddings:
    return _each(embeddings, lambda tensor: _one(tensor, device) if _is_outline(tensor) else tensor.to(device))


def _outlined(embeddings: Embeddings) -> Embeddings:
    """``embeddings`` with one number in place of all. Masks stay, since pipelines look into them."""
    return _each(embeddings, lambda tensor: _one(tensor) if tensor.is_floating_point() else tensor)


def _one(tensor: torch.Tensor, device: torch.device | None = None) -> torch.Tensor:
    return torch.zeros((), dtype=tensor.dtype, device=device or tensor.device).expand(tensor.shape)


def _is_outline(tensor: torch.Tensor) -> bool:
    return tensor.numel() > 1 and not any(tensor.stride())


def _each(embeddings: Embeddings, change: Callable[[torch.Tensor], torch.Tensor]) -> Embeddings:
    if isinstance(embeddings, torch.Tensor):
        return change(embeddings)
    if isinstance(embeddings, (tuple, list)):
        return type(embeddings)(_each(item, change) for item in embeddings)
    return embeddings
