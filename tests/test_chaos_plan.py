"""The story of a seed of ``benchmarks.chaos``: the same each time, and made of what there is."""

from __future__ import annotations

import inspect

from benchmarks.chaos_deaths import Deaths
from benchmarks.chaos_people import People
from benchmarks.chaos_plan import ACTS, DEATHS, plan

HOUR_SECONDS = 3600.0


def test_a_seed_tells_one_story_and_another_another() -> None:
    assert plan(1, 60) == plan(1, 60)
    assert plan(1, 60) != plan(2, 60)


def test_a_longer_one_begins_as_the_shorter_one() -> None:
    assert [step for step in plan(1, 120) if step.at_seconds < 60] == plan(1, 60)


def test_in_an_hour_everything_happens_that_can() -> None:
    assert {step.what for step in plan(1, HOUR_SECONDS)} == {*ACTS, *DEATHS}


def test_every_step_is_something_that_somebody_can_do() -> None:
    for step in plan(1, HOUR_SECONDS):
        if step.is_death:
            inspect.signature(getattr(Deaths, step.what)).bind(None, **step.said)
        else:
            inspect.signature(getattr(People, step.what)).bind(None, 0, **step.said)
