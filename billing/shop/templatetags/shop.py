"""Money and credits in templates."""

from __future__ import annotations

from typing import Any

from django import template

from billing.shop.models import Price
from billing.shop.money import formatted

register = template.Library()

LOT_KINDS = {
    "free": "Daily free credits",
    "plan": "Your plan",
    "pack": "Packs",
    "goodwill": "Refund",
    "adjustment": "From us",
}


@register.filter
def money(price: Price) -> str:
    return formatted(price.amount_minor, price.currency)


@register.filter
def signed(amount: int) -> str:
    """A change with its sign: "+3,500", "−2", "0"."""
    return f"{amount:+,}".replace("-", "−") if amount else "0"


@register.filter
def in_currency(amount_minor: int, currency: str) -> str:
    return formatted(amount_minor, currency)


@register.filter
def of(found: dict[Any, Any], key: Any) -> Any:
    """The value of a dictionary under ``key``."""
    return found.get(key)


@register.filter
def lot_kind(kind: str) -> str:
    return LOT_KINDS[kind]


@register.filter
def clips_for(credits: int, credits_each: int) -> int:
    """The number of clips that so many credits make at ``credits_each``."""
    return credits // max(1, credits_each)
