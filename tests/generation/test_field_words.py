"""What is wrong with a field of a body is said in our words: its name, the cause and the next step."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from rest_framework import fields, serializers

import generation.urls  # noqa: F401  # whose views bring every body of the API
from generation.api import base
from generation.api.field_words import refusal_of
from generation.api.serializers import AskSerializer
from generation.api.webhooks import EndpointSerializer
from loremotion.refusals import Invalid

FILLED = {"name": "a", "url": "https://a.example", "event_types": ["video.completed"]}
ODD: tuple[Any, ...] = (
    None, "", " ", [], {}, [None], [""], [[]], [5], ["x" * 9_999], True, -1, 1.5, 10**400, "1" * 1_001, "x" * 9_999,
    "a\x00b", "a\ud800b", float("inf"),
)  # fmt: skip


def bodies(of: type[Any] = serializers.Serializer) -> Iterator[type[serializers.Serializer[Any]]]:
    for body in of.__subclasses__():
        if body.__module__.startswith("generation.api"):
            yield body
        yield from bodies(body)


def refused(body: type[serializers.Serializer[Any]], sent: Any) -> Invalid | None:
    request: Any = SimpleNamespace(data=sent)
    try:
        base.read(body, request)
    except Invalid as refusal:
        return refusal
    return None


def words_of_drf() -> set[str]:
    """The beginnings of what DRF says of fields, up to what it fills in."""
    kinds = [kind for kind in vars(fields).values() if isinstance(kind, type) and issubclass(kind, fields.Field)]
    said = [str(words) for kind in kinds for words in getattr(kind, "default_error_messages", {}).values()]
    return {words.partition("{")[0].strip('" ') for words in said} - {""} | {"Null characters", "Surrogate characters"}


@pytest.mark.parametrize(
    ("body", "sent", "words"),
    [
        (AskSerializer, {}, "prompt is missing. Send it as text."),
        (AskSerializer, {"prompt": "a", "model": ""}, "model is empty. Fill it in. Or leave it out."),
        (AskSerializer, {"prompt": ["a"]}, "prompt is not text. Send it as text."),
        (AskSerializer, {"prompt": "a", "seconds": "soon"}, "seconds is not a number. Send one, such as 5."),
        (AskSerializer, {"prompt": "a", "seconds": True}, "seconds is not a number. Send one, such as 5."),
        (AskSerializer, {"prompt": "a", "steps": 0}, "steps is less than 1. Send 1 or more."),
        (AskSerializer, {"prompt": "a", "seed": 2**32}, "seed is more than 4294967295. Send 4294967295 or less."),
        (AskSerializer, {"prompt": "a", "size": "9" * 13}, "size has more than 12 characters. Shorten it."),
        (AskSerializer, {"prompt": "a\x00b"}, "prompt has a NUL character in it. Leave it out."),
        (AskSerializer, {"prompt": "a", "private": "so"}, "private is not true or false. Send true or false."),
        (EndpointSerializer, FILLED | {"url": None}, "url is null. Send it as text."),
        (EndpointSerializer, FILLED | {"event_types": "a"}, 'event_types is not a list. Send one, such as ["a", "b"].'),
        (EndpointSerializer, FILLED | {"event_types": [{}]}, "event_types[0] is not text. Send it as text."),
        (EndpointSerializer, FILLED | {"event_types": ["a"] * 21}, "event_types has more than 20 entries. Shorten it."),
    ],
)
def test_they_name_the_field_the_cause_and_the_next_step(body: Any, sent: dict[str, Any], words: str) -> None:
    refusal = refused(body, sent)
    assert refusal is not None
    assert str(refusal) == words
    assert refusal.code == f"invalid_{refusal.field}"


def test_no_field_of_any_body_answers_in_words_that_are_not_ours() -> None:
    theirs, found = words_of_drf(), []
    tried = {body: body().fields for body in bodies()}
    assert len(tried) > 8
    for body, of in tried.items():
        for name in of:
            for value in ODD:
                if (refusal := refused(body, {name: value})) is not None:
                    found += [f"{body.__name__}.{name}: {refusal}" for words in theirs if words in str(refusal)]
    assert found == []


def test_what_a_check_of_ours_says_stands() -> None:
    own = [serializers.ErrorDetail("a fox has four legs.", code="legs")]
    assert str(refusal_of("legs", serializers.CharField(), own)) == "legs: a fox has four legs."
