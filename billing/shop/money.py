"""Amounts of money as people read them. Kept, like Stripe does, in the currency's smallest unit."""

from __future__ import annotations

from decimal import Decimal

from django.utils.formats import number_format
from django.utils.translation import pgettext

ZERO_DECIMAL = frozenset({"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"}) | frozenset(
    {"pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"}
)
MOST_MINOR = 10**15
THREE_DECIMAL = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
SIGNS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}


def decimals_of(currency: str) -> int:
    """Digits after the point: 2 for most, none for yen and its like."""
    return 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2


def in_units(amount_minor: int, currency: str) -> Decimal:
    """An amount in the currency's own unit: 999 cents as 9.99."""
    return Decimal(amount_minor).scaleb(-decimals_of(currency))


def format_amount(amount_minor: int, currency: str, *, decimals: int | None = None) -> str:
    """An amount as people read it in the language in use: ``$9.99``, ``¥999``, ``9.99 CHF``; with so many ``decimals``
    where they aren't the currency's."""
    digits = decimals_of(currency) if decimals is None else decimals
    number = number_format(in_units(amount_minor, currency), digits, force_grouping=True)
    sign = SIGNS.get(currency)
    if sign is None:
        return f"{number} {currency.upper()}"
    # Translators: an amount of money; where the sign of its currency stands.
    return pgettext("money", "%(sign)s%(number)s") % {"sign": sign, "number": number}


def parse(text: str, currency: str) -> int:
    """The smallest units that ``text`` names: the reverse of ``formatted`` without sign.

    Raises:
        ValueError: it is no amount, more than anybody pays, or finer than the currency goes.
    """
    try:
        scaled = Decimal(text.strip().replace(",", "")).scaleb(decimals_of(currency))
        is_amount = abs(scaled) < MOST_MINOR
    except ArithmeticError:
        is_amount = False
    if not is_amount:
        raise ValueError(f"{text} is no amount that anybody pays: write one such as 9.99.")
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{text} is finer than {currency.upper()} goes.")
    return int(scaled)
