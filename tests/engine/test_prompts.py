"""Embeddings that are made apart and remembered."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gpu_worker.engine.video.prompts import (
    LEAST_PROMPT_MEMORY_BYTES,
    PROMPT,
    EncodingDue,
    PromptEncoder,
    PromptMemory,
    Question,
    Run,
    prompt_memory_bytes,
)

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

    def __call__(self, pipeline: Any, question: Question, run: Run) -> tuple[torch.Tensor, None]:
        try:
            run({})
        except AssertionError:
            pass
        else:
            raise RuntimeError("the pipeline's own was not asked")
        self.prompts.append(pipeline)
        return torch.full((4,), float(len(self.prompts))), None


def encoder_of(memory: PromptMemory, encoders: Encoders, identity: str = "t5") -> PromptEncoder:
    return PromptEncoder(memory, encoders={"text_encoder": identity}, device=CPU, encode=encoders)


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


class Connected(Pipeline):
    """Has a module between its text encoder and the rest, as LTX-2 has."""

    def __init__(self) -> None:
        super().__init__()
        self.connectors = torch.nn.Identity()

    def __call__(self, prompt: Any) -> float:
        embeddings, _ = self.encode_prompt(prompt)
        return float(self.connectors(embeddings).sum())


class BothEncoders:
    """Answers the text encoder's question with ones and the connectors' with what they are given, doubled."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, pipeline: Any, question: Question, run: Run) -> Any:
        self.asked.append(question.name)
        if question is PROMPT:
            return torch.ones(4), None
        return run({"connectors": Doubling()})


class Doubling(torch.nn.Module):
    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        return 2 * tensor


def connected(memory: PromptMemory, encoders: BothEncoders) -> PromptEncoder:
    keys = {"text_encoder": "gemma", "connectors": "ltx2"}
    return PromptEncoder(memory, encoders=keys, device=CPU, encode=encoders)


def test_what_connects_text_to_the_transformer_is_asked_apart_and_remembered_with_the_prompt() -> None:
    memory, encoders = PromptMemory(1_000), BothEncoders()
    for prompt, asked in (("fox", 2), ("fox", 2), ("cat", 4)):
        encoder, pipeline = connected(memory, encoders), Connected()
        encoder.rehearse(Connected(), {"prompt": prompt})
        with encoder.recalled(pipeline):
            assert pipeline(prompt) == 8.0
        assert isinstance(pipeline.connectors, torch.nn.Identity)
        assert len(encoders.asked) == asked
    assert encoders.asked == ["encode_prompt", "connectors"] * 2


def test_of_a_text_that_a_module_reads_alone_the_module_s_answer_is_kept() -> None:
    memory, encoders = PromptMemory(1_000), BothEncoders()
    connected(memory, encoders).rehearse(Connected(), {"prompt": "fox"})
    assert memory.used_bytes == 4 + 4 * 4  # one number of the text, four of the answer
    encoder, pipeline = connected(memory, encoders), Connected()
    encoder.rehearse(Connected(), {"prompt": "fox"})
    with encoder.recalled(pipeline):
        embeddings, _ = pipeline.encode_prompt("fox")
        assert (embeddings.shape, embeddings.untyped_storage().nbytes()) == ((4,), 4)


def test_a_text_is_encoded_again_where_the_module_s_answer_is_gone() -> None:
    memory, encoders = PromptMemory(24), BothEncoders()
    connected(memory, encoders).rehearse(Connected(), {"prompt": "fox"})
    memory.get(next(iter(memory._known)))  # the outline is used last
    memory.put("other", torch.zeros(3))
    encoder, pipeline = connected(memory, encoders), Connected()
    for _ in range(2):  # as where memory ran out in between
        encoder.rehearse(Connected(), {"prompt": "fox"})
    with encoder.recalled(pipeline):
        assert pipeline("fox") == 8.0
    assert encoders.asked == ["encode_prompt", "connectors"] * 2


def test_a_host_remembers_ten_prompts_of_ltx_2_with_negative_ones() -> None:
    tokens, width, audio_width, both = 1_024, 4_096, 2_048, 2
    assert prompt_memory_bytes(2**30) == LEAST_PROMPT_MEMORY_BYTES > 10 * tokens * (width + audio_width) * 2 * both
    assert prompt_memory_bytes(64 * 2**30) == 2 * 2**30
