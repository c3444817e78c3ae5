from __future__ import annotations

from pathlib import Path

from billing.shop import inbox

SELLING = Path(__file__).resolve().parents[2] / "docs" / "selling.md"


def test_the_document_names_the_events_that_we_listen_to() -> None:
    listed = SELLING.read_text().split("```\n")[-2].split()
    assert listed == list(inbox.TYPES)


def test_one_reading_of_the_list_can_ask_for_all_of_them() -> None:
    assert len(inbox.TYPES) <= 20  # Stripe takes no more types at once
