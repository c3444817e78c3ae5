"""The cards of test mode: how they are called, their numbers, and what happens to whoever pays with one."""

from __future__ import annotations

from tests.fake_stripe.errors import not_found

NUMBERS = {
    "visa": "4242424242424242",
    "chargeDeclined": "4000000000000002",
    "chargeCustomerFail": "4000000000000341",
    "createDispute": "4000000000000259",
    "refundFail": "4000000000005126",
}
"""By what follows ``pm_card_`` or ``tok_`` in the name under which test mode knows a card."""
DECLINED = NUMBERS["chargeDeclined"]
DECLINED_ONCE_KEPT = NUMBERS["chargeCustomerFail"]
"""Taken where a person types it in, declined whenever it is charged afterwards."""
DISPUTED = NUMBERS["createDispute"]
"""Pays, and at once its holder wants the money back."""
REFUND_FAILS = NUMBERS["refundFail"]
"""What is refunded to it comes back after a while."""


def number_of(name: str) -> str:
    """The number of ``pm_card_visa`` or ``tok_visa``.

    Raises:
        StripeRefused: test mode knows no such card, or this server does not.
    """
    number = NUMBERS.get(name.removeprefix("pm_card_").removeprefix("tok_"))
    if number is None or name in NUMBERS:
        raise not_found(name)
    return number
