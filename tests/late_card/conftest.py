"""The simulated card, built once for this machine, and reset for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.late_card.build import NoCompiler, compiled
from tests.late_card.card import Card


@pytest.fixture(scope="session")
def the_card(request: pytest.FixtureRequest) -> Card:
    """The card of this test process: PyTorch takes one such backend, and for good."""
    try:
        return Card(compiled(request.config.cache.mkdir("late_card")))  # type: ignore[union-attr]
    except NoCompiler as refusal:
        pytest.skip(str(refusal))


@pytest.fixture
def card(the_card: Card) -> Iterator[Card]:
    """The card as it comes out of its box. After the test, nothing may have depended on luck."""
    the_card.reset()
    yield the_card
    assert the_card.hazards == []
