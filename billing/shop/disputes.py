"""Disputes as staff reads of them: in words instead of Stripe's names, with the day until when one can be answered."""

from __future__ import annotations

from typing import Final

from billing.shop.models import Payment
from loremotion.detail_page import at

WORDS: Final = {
    "needs_response": "dispute to answer",
    "under_review": "dispute under review by the bank",
    "won": "dispute won",
    "lost": "dispute lost",
    "prevented": "dispute prevented",
    "warning_needs_response": "inquiry to answer",
    "warning_under_review": "inquiry under review by the bank",
    "warning_closed": "inquiry closed without a dispute",
    "appeal_needs_response": "appeal to answer",
    "appeal_under_review": "appeal under review by the bank",
}
"""What Stripe calls the state of a dispute → what we do."""


ANSWERING: Final = "shop.refund_payment"
"""The right of those who answer disputes, which they do at Stripe."""
TELL_FINANCE: Final = "Tell Finance, who answer it at Stripe"


def in_words(payment: Payment) -> str:
    """Return how the payment's dispute stands: "dispute to answer by 4 Dec 2026, 10:00 UTC". Undisputed: nothing."""
    status = payment.dispute_status
    said = WORDS.get(status, f"dispute: {status.replace('_', ' ')}") if status else ""
    is_due = payment.dispute_due_at is not None and is_to_answer(payment)
    return f"{said} by {at(payment.dispute_due_at)}" if is_due else said


def is_to_answer(payment: Payment) -> bool:
    """Whether it is lost unless somebody answers it."""
    return payment.dispute_status in Payment.DISPUTES_TO_ANSWER
