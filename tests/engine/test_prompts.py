"""Embeddings that are made apart and remembered."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gpu_worker.engine.video.prompts import EncodingDue, PromptEncoder, PromptMemory

CPU = torch.device("cpu")


class Pipeline:
    """Asks for its embeddings as often as it is told to, then makes something of them."""

    def __init__(self, asks: int = 1) -> None:
        self.asks = asks
        self.has_gone_on = False

    def encode_prompt(self, prompt: Any, *, device: torch.device | None = None) -> tuple[torch.Tensor, None]:
        raise AssertionError("encoded without the encoders")

    def __call__(self, prompt: Any) -> float:
        embeddings = [
            self.encode_prompt(f"{prompt}{i}" if i else prompt, device=torch.device("meta")) for i in range(self.asks)
        ]
        self.has_gone_on = True
        return float(sum(e[0].sum() for e in embeddings))


class Encoders:
    """Counts how often they are leased; a prompt's embedding is its length."""

    def __init__(self) -> None:
        self.prompts: list[Any] = []

    def __call__(self, pipeline: Any, encode_prompt: Any) -> tuple[torch.Tensor, None]:
        try:
            encode_prompt()
        except AssertionError:
            pass
        else:
            raise RuntimeError("the pipeline's own was not asked")
        self.prompts.append(pipeline)
        return torch.full((4,), float(len(self.prompts))), None


def encoder_of(memory: PromptMemory, encoders: Encoders, identity: str = "t5") -> PromptEncoder:
    return PromptEncoder(memory, identity=identity, device=CPU, encode=encoders)


def made(encoder: PromptEncoder, pipeline: Pipeline, prompt: Any = "fox") -> float:
    """As a render does it."""
    while True:
        encoder.rehearse(Pipeline(pipeline.asks), {"prompt": prompt})
        try:
            with encoder.recalled(pipeline):
                return pipeline(prompt)
        except EncodingDue:
            continue


def test_the_rehearsal_ends_where_the_embeddings_are_there() -> None:
    pipeline, encoder = Pipeline(), encoder_of(PromptMemory(1_000), Encoders())
    encoder.rehearse(pipeline, {"prompt": "fox"})
    assert not pipeline.has_gone_on
    with encoder.recalled(pipeline):
        assert pipeline("fox") == 4.0
    with pytest.raises(AssertionError, match="without the encoders"):
        pipeline("fox")


def test_a_pipeline_may_ask_several_times() -> None:
    memory, encoders = PromptMemory(1_000), Encoders()
    assert made(encoder_of(memory, encoders), Pipeline(asks=3)) == 4.0 + 8.0 + 12.0
    assert len(encoders.prompts) == 3
    encoder = encoder_of(memory, encoders)
    encoder.rehearse(Pipeline(3), {"prompt": "other"})
    with encoder.recalled(pipeline := Pipeline(3)):
        assert pipeline("other") > 0  # at once: how often it asks is known by now


def test_what_was_said_is_remembered_by_encoder_and_prompt() -> None:
    memory, encoders = PromptMemory(1_000), Encoders()
    for identity, prompt, leases in (("t5", "fox", 1), ("t5", "fox", 1), ("t5", "cat", 2), ("umt5", "fox", 3)):
        made(encoder_of(memory, encoders, identity), Pipeline(), prompt)
        assert len(encoders.prompts) == leases
    assert (memory.hits, memory.misses) == (1, 3)


def test_what_is_no_plain_value_is_not_remembered() -> None:
    memory, encoders = PromptMemory(1_000), Encoders()
    picture = object()
    for leases in (1, 2):
        made(encoder_of(memory, encoders), Pipeline(), picture)
        assert len(encoders.prompts) == leases


def test_the_least_recently_used_is_forgotten_when_the_memory_is_full() -> None:
    memory = PromptMemory(32)
    for key in ("a", "b"):
        memory.put(key, (torch.zeros(4), None))
    assert memory.get("a") is not None
    memory.put("c", (torch.zeros(4), None))
    assert [memory.get(key) is not None for key in ("a", "b", "c")] == [True, False, True]
    memory.put("a", (torch.zeros(4), [torch.zeros(0)]))
    memory.put("too large", torch.zeros(100))
    assert [memory.get(key) is not None for key in ("a", "c", "too large")] == [True, True, False]
