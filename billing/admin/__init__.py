"""The ledger as staff sees it, and what staff may do to it. Importing it registers the pages."""

from billing.admin import accounts, proposals

__all__ = ["accounts", "proposals"]
