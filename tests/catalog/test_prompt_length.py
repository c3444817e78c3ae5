"""A prompt is read to its end or refused: tokens, counted by the model's own tokenizer or bounded without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from transformers import T5Tokenizer

from catalog.models import ModelVersion
from catalog.prompt_length import is_blank, measure, most_tokens
from catalog.requests import Ask, resolve
from catalog.tokenizer_files import Tokenise, tokeniser_of
from catalog.validation import problems
from gpu_worker.families import FAMILIES
from loremotion.errors import problem
from loremotion.refusals import Invalid
from tests.catalog.factories import draft_version
from tests.catalog.tokenizers import CORPUS, KINDS, checkpoint_with, unigram

PREVIEW: dict[str, Any] = {
    "family": "preview",
    "source": "preview",
    "sizes": ["48x48"],
    "fps": 8,
    "min_seconds": 2,
    "max_seconds": 2,
    "default_seconds": 2,
    "presets": {"standard": {"steps": 2}},
    "prices": {"standard": {"360p": 1}},
}


def preview(**changes: Any) -> ModelVersion:
    return draft_version(**PREVIEW | changes)


@pytest.fixture(scope="module")
def tokenisers(tmp_path_factory: pytest.TempPathFactory) -> list[Tokenise]:
    """One of each kind that text encoders have."""
    made = []
    for kind in KINDS:
        folder = checkpoint_with(kind, tmp_path_factory.mktemp(kind.__name__) / "model")
        tokenise = tokeniser_of(draft_version(source=str(folder)))
        assert tokenise is not None
        made.append(tokenise)
    return made


# --- refused, with field, limit and count ---


def test_what_the_preview_model_would_not_read_is_refused_with_the_words_themselves() -> None:
    words = " ".join(["red"] * 23)
    assert resolve(Ask(prompt=words), preview()).prompt == words
    with pytest.raises(Invalid) as refused:
        resolve(Ask(prompt=f"{words} circle moving right"), preview())
    document = problem(refused.value)
    assert (document["status"], document["error"]["param"]) == (422, "prompt")
    assert (document["limit"], document["count"], document["is_exact"]) == (23, 26, True)
    assert "26 tokens" in document["detail"]
    assert "\u201ccircle moving right\u201d" in document["detail"]


def test_words_that_its_tokenizer_drops_take_no_room() -> None:
    filler = "zyx " * 80
    assert resolve(Ask(prompt=f"{filler}a red circle"), preview()).prompt.endswith("a red circle")


def test_a_negative_prompt_is_held_to_the_same_limit() -> None:
    with pytest.raises(Invalid) as refused:
        resolve(Ask(prompt="a red circle", negative_prompt="blue " * 24), preview())
    assert (refused.value.field, refused.value.figures["count"]) == ("negative_prompt", 24)


def test_a_preset_that_reads_less_takes_less(tmp_path: Path) -> None:
    source = str(checkpoint_with(unigram, tmp_path / "ltx"))
    presets = {"draft": {"steps": 8, "max_sequence_length": 9}, "standard": {"steps": 30}}
    version = draft_version(source=source, presets=presets)
    fox = CORPUS[0]
    assert resolve(Ask(prompt=fox), version).prompt == fox
    with pytest.raises(Invalid) as refused:
        resolve(Ask(prompt=fox, preset="draft"), version)
    assert refused.value.figures["limit"] == 8
    length = measure(fox, version, "draft")
    assert length.is_exact
    assert length.unread
    assert fox.endswith(length.unread)
    assert measure(fox.removesuffix(length.unread), version, "draft").tokens == 8


def test_without_the_tokenizer_no_more_is_taken_than_is_surely_read() -> None:
    version = draft_version(source="owner/not-on-this-machine")
    assert resolve(Ask(prompt="x" * 254), version).prompt
    with pytest.raises(Invalid, match="may be") as refused:
        resolve(Ask(prompt="x" * 255), version)
    assert refused.value.figures == {"limit": 255, "count": 256, "is_exact": False}


@pytest.mark.parametrize("name", ["tokenizer.json", "spiece.model"])
def test_with_a_broken_tokenizer_too_and_the_log_says_once_which(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "tokenizer" / name
    file.parent.mkdir()
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1")
    version = draft_version(source=str(tmp_path))
    for _ in range(2):
        with pytest.raises(Invalid, match="may be"):
            resolve(Ask(prompt="x" * 256), version)
    assert [str(file) in record.getMessage() for record in caplog.records] == [True]


def test_a_row_may_not_promise_more_than_the_encoder_reads() -> None:
    for tokens, is_right in ((1, False), (2, True), (256, True), (257, False)):
        found = problems(draft_version(presets={"standard": {"steps": 3, "max_sequence_length": tokens}}))
        assert any("LTX-Video reads 2 to 256 tokens" in line for line in found.get("presets", [])) is not is_right


# --- the count is the encoder's ---


def test_the_file_that_a_worker_downloaded_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    version = draft_version(source="owner/name", revision="a" * 40)
    assert tokeniser_of(version) is None
    checkpoint_with(unigram, tmp_path / "models--owner--name" / "snapshots" / ("a" * 40))
    assert tokeniser_of(version) is not None


@pytest.mark.parametrize("text", [CORPUS[0], "Ünïcode \ufdfa and “quotes”", "  two  spaces ", "雪の中の狐"])
def test_sentencepiece_counts_as_the_worker_does(tmp_path: Path, text: str) -> None:
    folder = checkpoint_with(unigram, tmp_path / "model")
    tokenise = tokeniser_of(draft_version(source=str(folder)))
    assert tokenise is not None
    worker = T5Tokenizer.from_pretrained(folder / "tokenizer", extra_ids=0)
    assert len(tokenise(text)) == len(worker(text, add_special_tokens=False)["input_ids"])


@given(st.text(max_size=60))
@example("\ufdfa" * 3)
@example("\uff21\ufdfa\u1e9b\u0323 ﬀ")
@example("a" * 50)
def test_no_tokenizer_makes_more_of_a_text_than_the_bound(tokenisers: list[Tokenise], text: str) -> None:
    assert max(len(tokenise(text)) for tokenise in tokenisers) <= most_tokens(text)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_every_family_leaves_a_prompt_room(family: Any) -> None:
    assert 0 < family.most_prompt_tokens({}) < family.prompt_tokens


# --- empty ---


@pytest.mark.parametrize(
    "text", ["\u200b", "\u200b \u2060\ufeff\n", "\u3164\u115f", "\u00ad", "\u2800\ufe0f", "\U000e0041"]
)
def test_text_that_nobody_can_see_is_empty(text: str) -> None:
    assert is_blank(text)
    with pytest.raises(Invalid, match="empty"):
        resolve(Ask(prompt=text), preview())
    assert resolve(Ask(prompt="a red circle", negative_prompt=text), preview()).negative_prompt == ""


@pytest.mark.parametrize("text", ["a", "狐", "🦊", "👩\u200d🚀", "\u200ba", "."])
def test_text_with_something_to_see_is_not(text: str) -> None:
    assert not is_blank(text)
