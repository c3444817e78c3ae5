"""Stripe's account statement against our payments: the money itself, not what its objects say of themselves.

Every charge, refund and dispute leaves a balance transaction. Summed up for each payment they must be what we wrote
down for it. What belongs to nothing of ours (another shop in the same account, payouts) is added up apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.utils import timezone

from billing.shop import facts, lookups
from billing.shop.facts import BalanceFacts
from billing.shop.models import Customer, FeeDay, Order, Payment
from billing.shop.money import format_amount

SETTLES_WITHIN = timedelta(hours=1)
"""A charge may be on the statement a little after it is paid."""
EARLIER = timedelta(days=3)
"""Payments from the window's first days may have left their charge before it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that Stripe and we do not say alike. ``source`` names the payment, as in ``Payment.source``, or what
    else it is about: ``workspace:…``."""

    source: str
    detail: str


@dataclass
class Sum:
    """Money of one payment or of many: came, went back, is disputed. In the payers' currency's smallest unit."""

    charged: int = 0
    refunded: int = 0
    disputed: int = 0

    def add(self, other: Sum) -> None:
        self.charged += other.charged
        self.refunded += other.refunded
        self.disputed += other.disputed

    def __str__(self) -> str:
        return f"{self.charged} paid, {self.refunded} refunded, {self.disputed} disputed"


@dataclass
class Statement:
    """What the account's statement says of a window.

    Attributes:
        payments: by payment intent.
        kept: by the account's currency: fees, and what was left after them.
        fees: by the day of UTC and the account's currency.
        wrong: entries that contradict themselves.
        charges: what was charged, by payment intent.
    """

    payments: defaultdict[str, Sum] = field(default_factory=lambda: defaultdict(Sum))
    kept: defaultdict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: {"fees": 0, "net": 0}))
    fees: defaultdict[tuple[date, str], int] = field(default_factory=lambda: defaultdict(int))
    wrong: list[Difference] = field(default_factory=list)
    charges: dict[str, BalanceFacts] = field(default_factory=dict)


def read(since: datetime) -> Statement:
    """Read the statement from ``since`` on.

    Raises:
        stripe.StripeError: Stripe did not answer.
    """
    statement = Statement()
    for entry in lookups.balance_since(since):
        said = facts.of_balance(entry)
        kept = statement.kept[said.kept_in]
        kept["fees"] += said.fee_minor
        kept["net"] += said.net_minor
        statement.fees[said.at.astimezone(UTC).date(), said.kept_in] += said.fee_minor
        if not said.adds_up:
            statement.wrong.append(Difference(f"balance:{said.entry_id}", "Amount, fees and net do not add up."))
        if said.payment_intent_id is None or not said.kind:
            continue
        if said.kind == "charged":
            statement.charges[said.payment_intent_id] = said
        part = Sum(**{said.kind: said.amount_minor if said.kind == "charged" else -said.amount_minor})
        statement.payments[said.payment_intent_id].add(part)
    return statement


def differences(statement: Statement, since: datetime) -> Iterator[Difference]:
    """Payments of which the statement says something else, or nothing; and money from our customers for nothing."""
    yield from statement.wrong
    for payment in _compared(since):
        theirs = _theirs(statement, payment)
        if theirs != _ours(payment):
            yield Difference(payment.source, f"The account at Stripe: {theirs}. Our payment: {_ours(payment)}.")
    known = set(
        Payment.objects.filter(stripe_payment_intent_id__in=statement.charges).values_list(
            "stripe_payment_intent_id", flat=True
        )
    )
    yield from _strays([charge for intent, charge in statement.charges.items() if intent not in known])


def keep_fees(statement: Statement, since: datetime) -> None:
    """Note what Stripe kept on each day after that of ``since``, of which the statement may lack a part, until before
    today, which isn't over."""
    first, today = since.astimezone(UTC).date() + timedelta(days=1), timezone.now().astimezone(UTC).date()
    days = [first + timedelta(days=number) for number in range((today - first).days)]
    FeeDay.objects.bulk_create(
        [
            FeeDay(day=day, currency=currency, fee_minor=statement.fees.get((day, currency), 0))
            for currency in statement.kept
            for day in days
        ],
        update_conflicts=True,
        unique_fields=["day", "currency"],
        update_fields=["fee_minor"],
    )


def agrees(statement: Statement, source: str) -> bool:
    """Whether our payment is now what the statement says."""
    payment = Payment.objects.filter(source=source).first()
    return payment is not None and _ours(payment) == _theirs(statement, payment)


def summary(statement: Statement, since: datetime) -> dict[str, Any]:
    """Both sides in a few numbers, as JSON: by the payers' currency, and by the account's what it cost and left."""
    sides: dict[str, dict[str, Sum]] = {}
    for payment in _compared(since):
        both = sides.setdefault(payment.currency, {"stripe": Sum(), "ours": Sum()})
        both["ours"].add(_ours(payment))
        both["stripe"].add(statement.payments.get(payment.stripe_payment_intent_id or "", Sum()))
    rows = [
        {"currency": currency, "side": side, **vars(amount)}
        for currency, both in sorted(sides.items())
        for side, amount in both.items()
    ]
    return {"rows": rows, "kept": [{"currency": currency, **kept} for currency, kept in sorted(statement.kept.items())]}


def in_words(summary: dict[str, Any]) -> list[str]:
    """The lines of a summary as staff reads them."""
    names = {"stripe": "Stripe's statement", "ours": "our payments"}
    lines = []
    for row in summary.get("rows", []):
        money = {name: format_amount(row[name], row["currency"]) for name in ("charged", "refunded", "disputed")}
        side = f"{row['currency'].upper()}, {names[row['side']]}"
        lines.append(f"{side}: {money['charged']} paid, {money['refunded']} refunded, {money['disputed']} disputed")
    for kept in summary.get("kept", []):
        fees, net = (format_amount(kept[name], kept["currency"]) for name in ("fees", "net"))
        lines.append(f"The whole account in {kept['currency'].upper()}: {fees} of fees, {net} left after them")
    return lines


def _compared(since: datetime) -> Iterator[Payment]:
    """Payments that lie in the window with everything that came of them."""
    inside = Payment.objects.filter(paid_at__gt=since + EARLIER, paid_at__lt=timezone.now() - SETTLES_WITHIN)
    return inside.exclude(stripe_payment_intent_id=None).iterator(chunk_size=500)


def _ours(payment: Payment) -> Sum:
    return Sum(payment.amount_minor, payment.refunded_minor, payment.disputed_minor)


def _theirs(statement: Statement, payment: Payment) -> Sum:
    """What the statement says of a payment. A refund that has yet to leave the account counts here as it does there."""
    said = statement.payments.get(payment.stripe_payment_intent_id or "", Sum())
    if said.refunded < payment.refunded_minor:
        refunds = lookups.refunds_of(payment.stripe_payment_intent_id or "")
        on_the_way = sum(one.amount for one in refunds if one.status == "pending" and not one.balance_transaction)
        return Sum(said.charged, said.refunded + on_the_way, said.disputed)
    return said


def _strays(charges: list[BalanceFacts]) -> Iterator[Difference]:
    customers = {charge.customer_id for charge in charges} - {None}
    orders = {charge.order_id for charge in charges if charge.order_id is not None}
    our_customers = set(Customer.objects.filter(stripe_customer_id__in=customers).values_list("stripe_customer_id"))
    our_orders = set(Order.objects.filter(id__in=orders).values_list("id"))
    for charge in charges:
        if (charge.order_id,) in our_orders:
            yield Difference(f"order:{charge.order_id}", "Its money came, and nothing was granted for it.")
        elif (charge.customer_id,) in our_customers:
            yield Difference(f"charge:{charge.source_id}", "A customer of ours paid this for nothing that we know of.")
