"""What people are told where Stripe cannot be asked."""

from __future__ import annotations

from django.utils.translation import gettext as _

from loremotion.refusals import Refusal


class BuyingIsOff(Refusal):
    """This installation has no key for Stripe."""

    status = 503

    def __init__(self) -> None:
        super().__init__(
            "buying_is_off", _("Buying is switched off on this site."), next_step=_("Free credits refill every day.")
        )


class StripeIsAway(Refusal):
    """Stripe could not be asked, or its answer was lost. Asking for the same again is safe, and never buys twice."""

    status = 503

    def __init__(self) -> None:
        super().__init__(
            "stripe_is_away",
            _("Our payment provider isn't responding right now."),
            next_step=_("Try again in a minute. Nothing is charged or refunded twice."),
        )
