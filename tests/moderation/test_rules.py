"""Prompts of the corpus come out as they should, also where somebody disguised them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.moderation.rules import judge, judge_request
from generation.moderation.text import plainly, read
from generation.moderation.verdict import Category, Outcome, Strictness
from tests.moderation import corpus
from tests.moderation.corpus import DISGUISES, Line

KNOWN, INNOCENT = list(corpus.read("known.txt")), list(corpus.read("innocent.txt"))
LATIN = [line for line in KNOWN if line.prompt.isascii()]


@pytest.mark.parametrize("line", KNOWN, ids=lambda line: line.prompt)
def test_what_is_known_comes_out_as_the_corpus_says(line: Line) -> None:
    verdict = judge(line.prompt)
    assert (verdict.outcome, verdict.category) == (line.outcome, line.category), verdict
    assert verdict.words


@pytest.mark.parametrize("line", INNOCENT, ids=lambda line: line.prompt)
def test_what_is_innocent_is_allowed(line: Line) -> None:
    verdict = judge(line.prompt)
    assert verdict.outcome is Outcome.ALLOWED, verdict


@pytest.mark.parametrize("name", DISGUISES)
def test_a_disguise_changes_nothing(name: str) -> None:
    milder = [line.prompt for line in LATIN if judge(DISGUISES[name](line.prompt)).outcome < line.outcome]
    assert not milder


@pytest.mark.parametrize("before", range(0, 130, 7))
def test_of_letters_that_stand_alone_all_are_read(before: int) -> None:
    assert judge(f"{'q w ' * before}h a r d c o r e p o r n{' q w' * 40}").outcome is Outcome.REFUSED


@pytest.mark.parametrize("name", DISGUISES)
def test_an_innocent_prompt_may_be_written_so(name: str) -> None:
    caught = [line.prompt for line in INNOCENT if judge(DISGUISES[name](line.prompt)).outcome is not Outcome.ALLOWED]
    assert len(caught) <= len(INNOCENT) // 100  # of what is spelled out, a part may be another word


def test_the_relaxed_leave_adults_alone_and_nothing_else() -> None:
    theirs = {Category.SEXUAL, Category.VIOLENCE}
    for line in KNOWN:
        verdict = judge(line.prompt, strictness=Strictness.RELAXED)
        assert verdict.outcome is (Outcome.ALLOWED if line.category in theirs else line.outcome), line.prompt


@pytest.mark.parametrize(
    ("prompt", "negative", "outcome"),
    [
        ("a family at the beach", "nude, nsfw, child, deformed", Outcome.ALLOWED),
        ("a girl on a swing", "clothes", Outcome.ALLOWED),
        ("a little girl on a swing", "clothes, dress", Outcome.HELD),
        ("Emma Watson on a stage", "dress, clothing", Outcome.HELD),
        ("a toddler on a swing", "text on clothes, blur", Outcome.ALLOWED),
        ("a nude child", "blur", Outcome.REFUSED),
    ],
)
def test_clothes_may_not_be_asked_away_from_a_child_or_a_real_person(
    prompt: str, negative: str, outcome: Outcome
) -> None:
    assert judge_request(prompt, negative, strictness=Strictness.STANDARD).outcome is outcome


@pytest.mark.parametrize(
    ("prompt", "is_minor"),
    [
        ("a nude 17 year old", True),
        ("a nude 18 year old", False),
        ("a nude twelve-year-old", True),
        ("a nude woman of 30, for 10 years a painter", False),
        ("nude, aged 9", True),
        ("二十二岁, 裸体", False),
        ("十二岁, 裸体", True),
        ("17歳, ヌード", True),
        ("27歳, ヌード", False),
        ("eine nackte Frau, 21 Jahre alt", False),
        ("nackt, 16-jährig", True),
    ],
)
def test_an_age_below_eighteen_is_a_child_s(prompt: str, is_minor: bool) -> None:
    assert (judge(prompt).category is Category.SEXUAL_MINORS) is is_minor


def test_an_innocent_word_of_another_language_is_read_in_its_own_alone() -> None:
    assert judge("a child takes a bite").outcome is Outcome.ALLOWED
    assert judge("il montre sa bite dans la rue").outcome is Outcome.REFUSED


def test_the_words_are_told_as_they_were_written() -> None:
    assert judge("a N4KED woman").words == ("n4ked",)


@given(st.text(max_size=300))
def test_any_text_is_judged_and_reading_it_twice_changes_nothing(text: str) -> None:
    judge(text)
    assert plainly(plainly(text)) == plainly(text)
    assert all(token.spellings for token in read(text).tokens)


@given(st.text(max_size=200), st.sampled_from(LATIN))
def test_words_around_it_make_nothing_hard_innocent(text: str, line: Line) -> None:
    if line.outcome is Outcome.REFUSED and line.category is Category.SEXUAL_MINORS:
        verdict = judge(f"{line.prompt}\n\n{text}")
        assert verdict.outcome >= Outcome.HELD
