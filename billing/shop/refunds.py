"""Staff gives money back, and sees before what that does to the credits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID, uuid4

import stripe
from django.db.models import Q

from billing.models import Lot
from billing.shop import convergence, facts, gateway, lookups, ordering
from billing.shop.facts import Money
from billing.shop.locks import alone_with
from billing.shop.models import Payment
from loremotion.refusals import Conflict, Invalid

NOT_DONE: Final = frozenset({"refunded_meanwhile", "refund_refused"})
"""Codes of the refusals after which the attempt is known to have given nothing back."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a refund would do now. ``credits`` go back: ``from_lots`` out of what is unspent, the rest becomes debt.

    ``refunded_minor`` has gone back already as Stripe knows it, which may be more than our rows say at this moment.
    """

    refundable_minor: int
    refunded_minor: int
    credits: int
    from_lots: int
    becomes_debt: int
    after_refunds: int
    attempt: UUID = field(default_factory=uuid4)


def preview(payment: Payment, amount_minor: int) -> Preview:
    """What giving back ``amount_minor`` would take from the workspace. Asks Stripe what has gone back already.

    Raises:
        Conflict: Stripe refused.
        StripeIsAway: Stripe did not answer.
    """
    try:
        money, known = _money(payment), count_refunds(payment)
    except stripe.StripeError as error:
        raise ordering.refusal(error) from error
    refundable = money.amount_minor - money.taken_back_minor
    after = replace(money, refunded_minor=money.refunded_minor + amount_minor)
    credits = convergence.credits_taken_back(payment.credits, after) - payment.clawed_credits
    unspent = sum(lot.remaining + lot.expired for lot in lots_of(payment))
    return Preview(
        refundable_minor=refundable,
        refunded_minor=money.refunded_minor,
        credits=credits,
        from_lots=min(credits, unspent),
        becomes_debt=max(0, credits - unspent),
        after_refunds=known,
    )


def refund(payment: Payment, *, amount_minor: int, attempt: UUID, after_refunds: int, actor: str, reason: str) -> None:
    """Give money back through Stripe, and take the credits back that it had brought.

    Args:
        attempt: the preview's, so that a form sent twice refunds once.
        after_refunds: how many refunds the preview saw, so that two people do not both refund on the same sight.

    Raises:
        Invalid: no reason, or more than is left.
        Conflict: Stripe refused, or somebody refunded meanwhile.
        StripeIsAway: whether it was done is not known; the same form can be sent again, and refunds once.
    """
    if not reason.strip():
        raise Invalid("no_reason", "Say why the money goes back.", field="reason")
    if payment.stripe_payment_intent_id is None or amount_minor <= 0:
        raise Invalid("nothing_to_refund", "There is no money to give back.", field="amount")
    try:
        with alone_with(f"refund:{payment.pk}"):
            known = list(lookups.refunds_of(payment.stripe_payment_intent_id))
            if not any(_attempt_of(one) == str(attempt) for one in known):
                if len(known) != after_refunds:
                    raise Conflict(
                        "refunded_meanwhile",
                        "Somebody refunded this payment meanwhile.",
                        next_step="Open the page again and look at what is left.",
                    )
                gateway.create_refund(payment, amount_minor=amount_minor, attempt=attempt, reason=reason, actor=actor)
        convergence.converge_payment_intent(payment.stripe_payment_intent_id)
    except stripe.CardError as error:
        raise Conflict("refund_refused", str(error.user_message or error)) from error
    except stripe.StripeError as error:
        raise ordering.refusal(error) from error


def _attempt_of(refund: stripe.Refund) -> str | None:
    attempt: str | None = refund.metadata.to_dict().get("attempt") if refund.metadata is not None else None
    return attempt


def count_refunds(payment: Payment) -> int:
    """Refunds of a payment that Stripe has on record, failed ones too."""
    intent = payment.stripe_payment_intent_id
    return sum(1 for _ in lookups.refunds_of(intent)) if intent is not None else 0


def lots_of(payment: Payment) -> list[Lot]:
    """The lots that a payment filled, and all that were born of them: re-issued, or moved to another account."""
    named = Q()
    for reference, _, _ in payment.parts:
        named |= Q(reference=reference) | Q(reference__startswith=f"{reference}~")
    return list(Lot.objects.filter(named).order_by("id"))


def _money(payment: Payment) -> Money:
    return facts.money_of(
        payment.stripe_payment_intent_id, amount_minor=payment.amount_minor, currency=payment.currency
    )
