"""Money and credits in templates."""

from __future__ import annotations

from typing import Any

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext_lazy, ngettext

from billing.shop.models import Price
from billing.shop.money import format_amount

register = template.Library()

LOT_KINDS = {
    "free": gettext_lazy("Daily free credits"),
    "plan": gettext_lazy("Your plan"),
    "pack": gettext_lazy("Packs"),
    "goodwill": gettext_lazy("Refund"),
    "adjustment": gettext_lazy("From us"),
}


@register.filter
def money(price: Price) -> str:
    return format_amount(price.amount_minor, price.currency)


@register.filter
def credits(amount: int) -> str:
    """So many credits in words: "1 credit", "3,500 credits"."""
    return ngettext("%(amount)s credit", "%(amount)s credits", amount) % {"amount": intcomma(amount)}


@register.filter
def signed(amount: int) -> str:
    """A change with its sign: "+3,500", "−2", "0"."""
    sign = "+" if amount > 0 else "−" if amount < 0 else ""
    return f"{sign}{intcomma(abs(amount))}"


@register.filter
def in_currency(amount_minor: int, currency: str) -> str:
    """An amount with its currency; nothing at all is ``$0``."""
    return format_amount(amount_minor, currency, decimals=None if amount_minor else 0)


@register.filter
def of(found: dict[Any, Any], key: Any) -> Any:
    """The value of a dictionary under ``key``."""
    return found.get(key)


@register.filter
def lot_kind(kind: str) -> str:
    return str(LOT_KINDS[kind])


@register.filter
def clips_for(credits: int, credits_each: int) -> int:
    """The number of clips that so many credits make at ``credits_each``."""
    return credits // max(1, credits_each)
