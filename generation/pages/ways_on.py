"""Where a refusal leads on to: the links that stand beside it."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.contrib.humanize.templatetags.humanize import intcomma
from django.urls import reverse
from django.utils.translation import gettext as _

from billing import allowance
from billing.shop import gateway
from billing.shop.models import Price
from billing.shop.money import format_amount
from loremotion.refusals import Refusal

_SIGN_UP, _SIGN_IN, _PRICING, _CLIPS, _LIMITS, _REVIEWS = (
    "account_signup",
    "account_login",
    "shop:pricing",
    "generation:history",
    "shop:credits",
    "moderation:reviews",
)
_WAYS: Final = {
    "insufficient_credits": (_SIGN_UP, _PRICING),
    "free_clips_are_over": (_PRICING,),
    "too_many_visitors": (_SIGN_UP, _SIGN_IN),
    "too_many_open": (_CLIPS, _PRICING),
    "over_budget": (_LIMITS,),
    "sign_in_first": (_SIGN_IN, _SIGN_UP),
    "paid_plan_only": (_PRICING,),
    "prompt_held": (_REVIEWS,),
    "prompt_refused": (_REVIEWS,),
}
"""By the refusal's code, the first one first."""


def ways_on(refusal: Refusal, *, is_signed_in: bool) -> list[dict[str, str]]:
    """What to press, ``words``, and where that leads, ``address``. Nobody who has signed in is told to."""
    names = _WAYS.get(refusal.code, ())
    ways = [
        {"words": _words(name), "address": reverse(name)}
        for name in names
        if not (is_signed_in and name in (_SIGN_UP, _SIGN_IN))
    ]
    pack = _smallest_pack() if refusal.code == "insufficient_credits" else []
    return ways[:-1] + pack + ways[-1:]


def _smallest_pack() -> list[dict[str, str]]:
    """The pack that costs least, where there are any to buy."""
    packs = Price.objects.offered().filter(pack__isnull=False, currency=settings.DEFAULT_CURRENCY)
    price = packs.select_related("pack").order_by("amount_minor").first() if gateway.is_on() else None
    if price is None or price.pack is None:
        return []
    words = _("Buy %(credits)s credits for %(money)s") % {
        "credits": intcomma(price.pack.credits),
        "money": format_amount(price.amount_minor, price.currency),
    }
    return [{"words": words, "address": f"{reverse('shop:pricing')}#pack-{price.pack.slug}"}]


def _words(name: str) -> str:
    if name == _SIGN_UP:
        daily = allowance.daily_credits(None, is_signed_in=True)
        return _("Sign up for %(credits)s free credits a day") % {"credits": intcomma(daily)}
    return {
        _SIGN_IN: _("Sign in"),
        _PRICING: _("See plans and credit packs"),
        _CLIPS: _("See your clips"),
        _LIMITS: _("See the limits"),
        _REVIEWS: _("See your reviews"),
    }[name]
