"""What is kept in Valkey for a while is made once, and made at all without Valkey."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
import redis
from django.core.cache import cache

from loremotion.read_through import get_or_make


@pytest.fixture
def make() -> Callable[[], int]:
    """Returns 1, then 2, then 3."""
    cache.clear()
    return count(1).__next__


def away(*_args: object, **_options: object) -> None:
    raise redis.ConnectionError


def test_what_is_kept_is_made_once(make: Callable[[], int]) -> None:
    assert [get_or_make("figures", make, seconds=60) for _ in range(2)] == [1, 1]
    assert get_or_make("others", make, seconds=60) == 2


def test_without_valkey_it_is_made_each_time(make: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "get", away)
    assert [get_or_make("figures", make, seconds=60) for _ in range(2)] == [1, 2]


def test_what_cannot_be_kept_is_returned_all_the_same(make: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "set", away)
    assert get_or_make("figures", make, seconds=60) == 1
    assert get_or_make("figures", make, seconds=60) == 2
