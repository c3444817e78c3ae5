"""The end of a prompt is read, or the render is refused: no encoder is handed less than what somebody wrote."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import diffusers
import pytest
from transformers import AutoTokenizer

from gpu_worker.contract import RenderJob
from gpu_worker.engine import Engine, UnsupportedRequest
from gpu_worker.engine.video.whole_texts import read_to_the_end
from gpu_worker.families import FAMILIES
from tests.families.checkpoints import checkpoint_for
from tests.families.test_modes import job_for, render


def prompt_of(family_name: str, tokens: int, last: str) -> str:
    """A text of so many tokens: the tiny tokenizers have one for each letter, and one where the text begins."""
    if family_name == "preview":  # words, and only those that it knows
        return " ".join([*["red"] * (tokens - 1), last])
    return "x" * (tokens - 2) + last[0]


def full_job(family_name: str, models: Path, last: str, *, more: int = 0) -> RenderJob:
    family = FAMILIES[family_name]
    mode = next(iter(family.modes))
    job = job_for(family_name, mode, checkpoint_for(family_name, mode, models))
    return replace(job, prompt=prompt_of(family_name, family.most_prompt_tokens(job.call) + more, last))


@pytest.mark.parametrize("family_name", ["preview", "ltx", "wan"])
def test_the_last_token_that_is_taken_changes_the_clip(
    engine: Engine, models: Path, tmp_path: Path, family_name: str
) -> None:
    made = {
        render(engine, full_job(family_name, models, last), tmp_path).facts.sha256 for last in ("circle", "triangle")
    }
    assert len(made) == 2


@pytest.mark.parametrize("family_name", FAMILIES)
def test_what_would_be_cut_off_is_refused_with_figures(
    engine: Engine, models: Path, tmp_path: Path, family_name: str
) -> None:
    job = full_job(family_name, models, "circle", more=8)
    with pytest.raises(UnsupportedRequest, match=r"The text has [\d,]+ tokens and the model reads [\d,]+"):
        render(engine, job, tmp_path)


@pytest.mark.parametrize("family_name", FAMILIES)
def test_the_limit_is_one_that_the_pipeline_takes(family_name: str) -> None:
    """Where a pipeline has no such argument, its own number is the family's."""
    for mode in FAMILIES[family_name].modes.values():
        pipeline = getattr(diffusers, mode.pipeline)
        takes = "max_sequence_length" in pipeline.__call__.__annotations__
        assert takes or FAMILIES[family_name].prompt_tokens == 1_000


def test_afterwards_a_tokenizer_cuts_as_before(models: Path) -> None:
    folder = models / checkpoint_for("ltx", "text", models) / "tokenizer"

    class Pipeline:
        tokenizer = AutoTokenizer.from_pretrained(folder)

    cut = {"truncation": True, "max_length": 4}
    with read_to_the_end(Pipeline, ("tokenizer", "tokenizer_2")):
        assert len(Pipeline.tokenizer("ab", **cut)["input_ids"]) <= 4
        with pytest.raises(UnsupportedRequest):
            Pipeline.tokenizer(["a", "abcdefgh"], **cut)
    assert len(Pipeline.tokenizer("abcdefgh", **cut)["input_ids"]) == 4
