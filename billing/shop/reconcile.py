"""Comparing with Stripe: every few minutes the events that no webhook brought, every night the books, both ways.

What differs is brought together by the same convergence that events use, and written down for staff either way.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from uuid import UUID

import stripe
from django.db import InterfaceError, OperationalError, connection
from django.db.models import QuerySet
from django.utils import timezone

from billing.shop import balance, convergence, facts, gateway, inbox, lookups, second_plans
from billing.shop.balance import Difference
from billing.shop.facts import Money, Paying
from billing.shop.locks import Busy, alone_with
from billing.shop.models import Mismatch, Order, Payment, Reconciliation, Subscription
from billing.shop.money import format_amount

logger = logging.getLogger(__name__)

STRIPE_REMEMBERS = timedelta(days=30)
KEPT = timedelta(days=7)
"""How long a reading of events is kept that found nothing: there are 288 a day."""
OVERLAP = timedelta(hours=1)
"""Events appear in the list a little after they happen, so each reading looks back behind the last."""
WINDOW = timedelta(days=35)
"""How far back the books are compared: longer than a month, so that every renewal is looked at."""
AWAY = (stripe.APIConnectionError, stripe.RateLimitError, stripe.AuthenticationError, OperationalError, InterfaceError)
"""Nobody answers, so the next object will fare no better: the comparison is left for another time."""


# --- events ------------------------------------------------------------------------------------------------------


def read_events() -> Reconciliation | None:
    """Put every event of the last time into the inbox that is not there. None if another process is at it.

    Raises:
        stripe.StripeError: Stripe did not answer; the next reading begins where this one did.
    """
    try:
        with alone_with("reconcile:events", is_patient=False):
            return _read_events()
    except Busy:
        return None


def _read_events() -> Reconciliation:
    last = _that_ended(Reconciliation.objects.filter(kind=Reconciliation.Kind.EVENTS)).first()
    newest = (last.read_until if last is not None else None) or timezone.now() - STRIPE_REMEMBERS + OVERLAP
    reading = Reconciliation.objects.create(kind=Reconciliation.Kind.EVENTS)
    for event in lookups.events_since(newest - OVERLAP, list(inbox.TYPES)):
        reading.checked += 1
        newest = max(newest, datetime.fromtimestamp(event.created, UTC))
        object_id = str(event.data.object["id"])
        reading.missed += inbox.store(event.id, event.type, object_id, heard_from="list")
    reading.read_until, reading.finished_at = newest, timezone.now()
    reading.save()
    return reading


def forget_old() -> None:
    """Delete old readings that found nothing new, but for the last that ended: it says where the next begins."""
    events = Reconciliation.objects.filter(kind=Reconciliation.Kind.EVENTS)
    last = _that_ended(events).values("id")[:1]
    old = events.filter(began_at__lt=timezone.now() - KEPT, missed=0).exclude(id__in=last)
    Reconciliation.objects.filter(id__in=old.order_by("began_at").values("id")[:1_000]).delete()


def _that_ended(readings: QuerySet[Reconciliation]) -> QuerySet[Reconciliation]:
    """Readings that ended, the latest first."""
    return readings.filter(finished_at__isnull=False).order_by("-began_at")


# --- books -------------------------------------------------------------------------------------------------------


def compare_books() -> Reconciliation | None:
    """Compare every payment of the last weeks with what was granted for it, and what was granted with the payments.

    Raises:
        stripe.StripeError: Stripe did not answer; what was found until then is written down.
    """
    try:
        with alone_with("reconcile:books", is_patient=False):
            return _compare_books()
    except Busy:
        return None


def _compare_books() -> Reconciliation:
    comparison = Reconciliation.objects.create(kind=Reconciliation.Kind.BOOKS)
    since = timezone.now() - WINDOW
    paid = dict(_paid_at_stripe(since))
    comparison.checked = len(paid)
    for difference in [*_missing(paid, since), *_money_that_differs(since), *_lots_that_differ(since)]:
        _note(comparison, difference, is_mended=_is_mended(difference, _says_the_same))
    for difference in second_plans.find_second_plans():  # after what nobody told us of has come
        _note(comparison, difference, is_mended=False)
    named = set(comparison.mismatches.filter(is_mended=False).values_list("subject", flat=True))
    statement = balance.read(since)
    balance.keep_fees(statement, since)
    for difference in balance.differences(statement, since):
        if difference.source not in named:
            agrees = partial(balance.agrees, statement)
            _note(comparison, difference, is_mended=_is_mended(difference, agrees))
    comparison.balance = balance.summary(statement, since)
    comparison.finished_at = timezone.now()
    comparison.save()
    return comparison


def _note(comparison: Reconciliation, difference: Difference, *, is_mended: bool) -> None:
    Mismatch.objects.create(
        reconciliation=comparison, subject=difference.source, detail=difference.detail, is_mended=is_mended
    )
    logger.log(logging.WARNING if is_mended else logging.CRITICAL, "Stripe and our books differ: %s", difference)


def _paid_at_stripe(since: datetime) -> Iterator[tuple[str, str | None]]:
    """What Stripe says was paid to us: source and payment intent. What cannot be read keeps nothing else from it."""
    papers: Iterator[stripe.checkout.Session | stripe.Invoice] = chain(
        lookups.sessions_since(since), lookups.invoices_since(since)
    )
    for one in papers:
        try:
            found = _paid_session(one) if isinstance(one, stripe.checkout.Session) else _paid_invoice(one)
        except AWAY:
            raise
        except Exception:
            logger.exception("%s cannot be compared", one.id)
            continue
        if found is not None:
            yield found


def _paid_session(session: stripe.checkout.Session) -> tuple[str, str | None] | None:
    said = facts.of_session(session)
    if said.order_id is None or said.subscription_id is not None or said.paying is not Paying.PAID:
        return None
    is_ours = Order.objects.filter(id=said.order_id).exists()
    return (f"order:{said.order_id}", said.payment_intent_id) if is_ours else None


def _paid_invoice(invoice: stripe.Invoice) -> tuple[str, str | None] | None:
    said = facts.of_invoice(invoice)
    is_ours = said is not None and _is_ours(said.subscription_id)
    return (f"invoice:{said.invoice_id}", said.payment_intent_id) if said is not None and is_ours else None


def _is_ours(subscription_id: str) -> bool:
    if Subscription.objects.filter(stripe_subscription_id=subscription_id).exists():
        return True
    return convergence.owner_of(facts.of_subscription(lookups.subscription(subscription_id))) is not None


def _missing(paid: dict[str, str | None], since: datetime) -> Iterator[Difference]:
    """Payments that Stripe has and we lack, or that we have and Stripe lacks."""
    known = set(Payment.objects.filter(source__in=paid).values_list("source", flat=True))
    for source in paid.keys() - known:
        yield Difference(source, "It was paid at Stripe, and nothing was granted for it.")
    # The list is of what was made in the window: what was paid in it may have been made a little before.
    recent = Payment.objects.filter(paid_at__gt=since + timedelta(days=3)).exclude(source__in=paid)
    for payment in recent:
        if not _was_paid_late(payment):
            yield Difference(payment.source, "It was granted, and Stripe knows of no such payment.")


def _was_paid_late(payment: Payment) -> bool:
    """Whether its invoice is paid, and only older than the window: tried for weeks before a card worked."""
    if not payment.stripe_invoice_id:
        return False
    try:
        said = facts.of_invoice(lookups.invoice(payment.stripe_invoice_id))
    except stripe.InvalidRequestError:  # there is none
        return False
    return said is not None and said.is_paid


def _money_that_differs(since: datetime) -> Iterator[Difference]:
    """Refunds and disputes that one side has counted otherwise."""
    touched = {gateway.id_of(refund.payment_intent) for refund in lookups.refunds_since(since)}
    touched |= {gateway.id_of(dispute.payment_intent) for dispute in lookups.disputes_since(since)}
    given_back = Payment.objects.filter(paid_at__gt=since, clawed_credits__gt=0)
    touched |= set(given_back.values_list("stripe_payment_intent_id", flat=True))
    for payment in Payment.objects.filter(stripe_payment_intent_id__in=touched - {None}):
        ours = (payment.amount_minor, payment.refunded_minor, payment.disputed_minor)
        try:
            money = _money_of(payment)
        except stripe.InvalidRequestError as error:
            yield Difference(payment.source, f"Stripe does not say what became of it: {error}")
            continue
        theirs = (money.amount_minor, money.refunded_minor, money.disputed_minor)
        if ours != theirs:
            at_stripe, here = (_sums_in_words(sums, payment.currency) for sums in (theirs, ours))
            yield Difference(payment.source, f"At Stripe {at_stripe}; here {here}.")


def _sums_in_words(sums: tuple[int, int, int], currency: str) -> str:
    paid, refunded, disputed = (format_amount(amount, currency) for amount in sums)
    return f"{paid} paid, {refunded} refunded, {disputed} disputed"


def _lots_that_differ(since: datetime) -> Iterator[Difference]:
    """Payments whose lots do not hold what was paid for, less what went back; and lots without a payment."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE family AS (
                SELECT id, regexp_replace(reference, ':rollover$', '') AS source, issued AS granted, clawed
                FROM ledger_lot
                WHERE parent_id IS NULL AND kind IN ('plan', 'pack') AND granted_at > %s
                    AND reference ~ '^(order|invoice):'
                UNION ALL
                SELECT child.id, family.source, 0, child.clawed FROM ledger_lot child JOIN family
                    ON child.parent_id = family.id
            ),
            held AS (SELECT source, sum(granted) AS granted, sum(clawed) AS clawed FROM family GROUP BY source)
            SELECT coalesce(held.source, payment.source), payment.credits, payment.clawed_credits,
                held.granted, held.clawed
            FROM held FULL JOIN (SELECT * FROM shop_payment WHERE paid_at > %s) payment USING (source)
            WHERE (payment.credits, payment.clawed_credits) IS DISTINCT FROM (held.granted, held.clawed)
                AND coalesce(payment.paid_at, now()) > %s
            """,
            [since - timedelta(days=3), since, since],
        )
        for source, credits, clawed, granted, taken in cursor.fetchall():
            if credits is None and Payment.objects.filter(source=source).exists():
                continue  # older than the window
            detail = f"Credits and taken back: {(credits, clawed)} by payment, {(granted, taken)} in the ledger."
            yield Difference(source, detail)


def _is_mended(difference: Difference, agrees: Callable[[str], bool]) -> bool:
    """Converge once more and return whether both sides agree now. An error with one leaves the others their turn."""
    kind, _, name = difference.source.partition(":")
    try:
        if kind == "order":
            convergence.converge_order(UUID(name))
        elif kind == "invoice":
            convergence.converge_invoice(name)
        else:
            return False
        return "no such payment" not in difference.detail and agrees(difference.source)
    except AWAY:
        raise
    except Exception:
        logger.exception("%s cannot be brought together with Stripe", difference.source)
        return False


def _says_the_same(source: str) -> bool:
    payment = Payment.objects.filter(source=source).first()
    if payment is None:
        return False
    return payment.clawed_credits == convergence.credits_taken_back(payment.credits, _money_of(payment))


def _money_of(payment: Payment) -> Money:
    return facts.money_of(
        payment.stripe_payment_intent_id, amount_minor=payment.amount_minor, currency=payment.currency
    )
