"""What a batch's text or CSV says: its prompts, and what is wrong where."""

from __future__ import annotations

import re

import pytest

from catalog.requests import Ask
from generation.pages import batch_rows
from loremotion.refusals import Invalid


def test_prompts_come_as_lines_or_as_csv() -> None:
    assert [ask.prompt for ask in batch_rows.read("a fox, red\n\na boat")] == ["a fox, red", "a boat"]
    (ask,) = batch_rows.read('\ufeffPrompt,Seconds,seed,model\n"a fox, red",2.5,7,toy\n,,,\n')
    assert (ask.prompt, ask.seconds, ask.seed, ask.model) == ("a fox, red", 2.5, 7, "toy")
    assert batch_rows.read('prompt,seed\r"a fox, red",7\r') == [Ask(prompt="a fox, red", seed=7)]
    asks = [ask, Ask(prompt='"quoted"\nin two lines')]
    assert batch_rows.read(batch_rows.write(asks)) == asks


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "No prompts"),
        ("prompt\n", "No prompts"),
        ("prompt,colour\na,b", "'colour'"),
        ("prompt,seed\na,x", "Line 2"),
        ("prompt,seconds\na,nan", "Line 2"),
        ("prompt,seed\na,-1", "Line 2"),
        ("prompt\na,b", "Line 2"),
        ("a\n" * 49, "49 clips"),
        ("a" * 300_000, "256 KiB"),
        ("a" * 140_000, "can't read this CSV"),
    ],
)
def test_a_text_that_means_nothing_says_where(text: str, says: str) -> None:
    with pytest.raises(Invalid, match=re.escape(says)):
        batch_rows.read(text)


def test_what_could_not_be_sent_back_is_not_written() -> None:
    with pytest.raises(Invalid, match="256 KiB"):
        batch_rows.write([Ask(prompt="a" * 6_000)] * 48)


def test_each_prompt_goes_with_each_model_and_seed() -> None:
    asks = batch_rows.spread([Ask(prompt="a", seed=1), Ask(prompt="b", model="x")], models=["m", "n"], times=2)
    assert [(ask.prompt, ask.model, ask.seed) for ask in asks] == [
        *(("a", "m", 1), ("a", "m", 2), ("a", "n", 1), ("a", "n", 2)),
        *(("b", "x", None), ("b", "x", None)),
    ]
    with pytest.raises(Invalid, match="60 clips"):
        batch_rows.spread([Ask(prompt="a")] * 10, models=["m", "n", "o"], times=2)
