"""How the admin words its values."""

from __future__ import annotations

import pytest

from loremotion.staff_words import as_words, signed


@pytest.mark.parametrize(("amount", "said"), [(1200, "+1,200"), (-2, "\N{MINUS SIGN}2"), (0, "")])
def test_a_change_has_its_sign_and_no_change_says_nothing(amount: int, said: str) -> None:
    assert signed(amount) == said


def test_an_event_of_the_audit_log_is_words() -> None:
    assert as_words("api_key.created") == "Api key created"
