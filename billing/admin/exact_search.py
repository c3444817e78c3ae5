"""A search of the ledger's pages that never reads a whole table."""

from __future__ import annotations

from accounts.whose_column import WhoseColumn
from loremotion.exact_search import ExactSearchAdmin


class LedgerAdmin(WhoseColumn, ExactSearchAdmin):
    """Shows rows that only the ledger writes, found by a whole id."""

    found_by_id = ("account",)
    whose_field = "account_id"
    search_help_text = "An email address, or a whole id"
    empty_value_display = ""
