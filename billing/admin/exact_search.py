"""A search of the ledger's pages that never reads a whole table."""

from __future__ import annotations

from loremotion.exact_search import ExactSearchAdmin


class LedgerAdmin(ExactSearchAdmin):
    """Shows rows that only the ledger writes, found by a whole id."""

    found_by_id = ("account",)
