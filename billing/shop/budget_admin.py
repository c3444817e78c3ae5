"""Limits that customers set themselves, for staff: what they are, and how much of each is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django.contrib import admin
from django.http import HttpRequest

from accounts import whose
from accounts.whose_column import WhoseColumn
from billing.shop import budgets
from billing.shop.budgets import Period
from billing.shop.models import Budget
from loremotion.detail_page import DetailPage, Fact, Standing, at, customer_link
from loremotion.exact_search import ExactSearchAdmin
from loremotion.number_column import number_column

_NAMES: Final = {Period.DAY: ("Today", "daily"), Period.MONTH: ("This month", "monthly")}


@admin.register(Budget)
class BudgetAdmin(DetailPage, WhoseColumn, ExactSearchAdmin):
    list_display = [
        *("whose", number_column("daily_cap_credits", "a day"), number_column("monthly_cap_credits", "a month")),
        *(number_column("warn_below_credits", "warned below"), "warned_at"),
    ]
    ordering = ["-id"]
    found_by_id = ("workspace",)
    search_help_text = "An email address, or the whole id of a workspace"

    def headline(self, budget: Budget) -> str:
        return f"Limits of {whose.title_by_id(budget.workspace)}"

    def standing(self, budget: Budget) -> Standing:
        reached = [name for name, cap, spent in _used(budget) if spent >= cap]
        if reached:
            why = "Clips that cost credits are refused until the next one begins, or whoever handles billing raises it."
            return Standing(f"The {' and the '.join(reached)} limit is used up", "away", why)
        has_caps = bool(budget.caps_by_item) or any(_used(budget))
        return Standing("Within its limits", "good") if has_caps else Standing("It sets no limit")

    def facts(self, request: HttpRequest, budget: Budget) -> list[Fact]:
        warning = _credits(budget.warn_below_credits) if budget.warn_below_credits is not None else ""
        to = f", by email to {budget.warn_address}" if warning and budget.warn_address else ""
        return [
            Fact("Customer", customer_link(request, budget.workspace, whose.title_by_id(budget.workspace))),
            *(
                Fact(_NAMES[period][0], _of(budgets.spent_credits(budget.workspace, period), cap))
                for period, cap in _caps(budget)
            ),
            *(Fact(f"For {item}", _in_words(caps)) for item, caps in sorted((budget.caps_by_item or {}).items())),
            Fact("Warned below", f"{warning}{to}"),
            Fact("Warned", at(budget.warned_at)),
            Fact("Changed", "By the customer alone, on their page of credits."),
        ]


def _caps(budget: Budget) -> Iterator[tuple[Period, int | None]]:
    yield Period.DAY, budget.daily_cap_credits
    yield Period.MONTH, budget.monthly_cap_credits


def _used(budget: Budget) -> Iterator[tuple[str, int, int]]:
    """Each limit that is set: what it is called, its credits, and those that are used."""
    for period, cap in _caps(budget):
        if cap is not None:
            yield _NAMES[period][1], cap, budgets.spent_credits(budget.workspace, period)


def _of(spent: int, cap: int | None) -> str:
    return f"{_credits(spent)}, without a limit" if cap is None else f"{spent:,} of {_credits(cap)}"


def _credits(amount: int) -> str:
    return f"{amount:,} credit{'' if amount == 1 else 's'}"


def _in_words(caps: dict[str, int]) -> str:
    return " and ".join(f"{_credits(caps[period])} a {period}" for period in Period if period in caps)
