"""Where a refusal leads on to: the links that stand beside it."""

from __future__ import annotations

from typing import Final

from django.urls import reverse

from billing import allowance
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
    return [
        {"words": _words(name), "address": reverse(name)}
        for name in names
        if not (is_signed_in and name in (_SIGN_UP, _SIGN_IN))
    ]


def _words(name: str) -> str:
    if name == _SIGN_UP:
        return f"Sign up for {allowance.daily_credits(None, is_signed_in=True):,} free credits a day"
    return {
        _SIGN_IN: "Sign in",
        _PRICING: "See plans and credit packs",
        _CLIPS: "See your clips",
        _LIMITS: "See the limits",
        _REVIEWS: "See your reviews",
    }[name]
