"""What must be true of the credits of ``benchmarks.chaos``, in its books and at its Stripe."""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from uuid import UUID

from benchmarks.chaos_story import CANCELLED, SUCCEEDED, Story


def each_clip_has_one_hold_that_says_how_it_ended(story: Story) -> tuple[int, Iterable[str]]:
    from billing.models import Hold
    from generation.models import Generation

    holds = {hold.id: hold for hold in Hold.objects.all()}
    wrong, rows = [], list(Generation.objects.values_list("id", "state", "quote"))
    for key, state, quote in rows:
        hold = holds.pop(key, None)
        if hold is None:
            wrong.append(f"{key} has no hold")
            continue
        is_right = {
            SUCCEEDED: hold.captured == hold.amount == quote["credits"],
            CANCELLED: hold.captured + hold.released == hold.amount,
        }.get(state, hold.released == hold.amount)
        if hold.state == Hold.State.OPEN or not is_right:
            wrong.append(
                f"{key} {state}: quoted {quote['credits']}, {hold.captured} of {hold.amount} taken, {hold.state}"
            )
    wrong += [f"hold {key} is for no clip: {hold.captured} taken" for key, hold in holds.items() if hold.captured]
    return len(rows), wrong


def the_ledger_is_sound(story: Story) -> tuple[int, Iterable[str]]:
    from billing import ledger
    from billing.statements import totals

    return totals().entries, [
        f"{one.rule}: {one.subject} of {one.account} ({one.detail})" for one in ledger.violations()
    ]


def gifts_were_given_once(story: Story) -> tuple[int, Iterable[str]]:
    """What staff was told is given, is; and all that was given was given once."""
    from billing.models import Lot, Proposal

    wrong = []
    for reference, (workspace, credits) in story.said.gifts.items():
        proposal = Proposal.objects.filter(id=reference).first()
        if proposal is None or (proposal.account, proposal.amount, proposal.state) != (
            UUID(workspace),
            credits,
            "done",
        ):
            wrong.append(f"gift {reference} of {credits} to {workspace}: {proposal}")
    lots = Lot.objects.filter(kind="adjustment", parent=None)
    done = Proposal.objects.filter(state="done", amount__gt=0)
    given, proposed = sum(lots.values_list("issued", flat=True)), sum(done.values_list("amount", flat=True))
    if given != proposed:
        wrong.append(f"{proposed} credits were given by staff, and {given} are in the books")
    return len(story.said.gifts), wrong


def credits_say_what_stripe_says(story: Story) -> tuple[int, Iterable[str]]:
    """Counted anew from Stripe's own objects, after the nightly comparison has found what no webhook told."""
    from django.core.management import CommandError, call_command

    from billing.models import Lot
    from billing.shop.models import Payment

    wrong, heard = [], io.StringIO()
    try:
        with redirect_stdout(heard), redirect_stderr(heard):
            call_command("audit_ledger", "--stripe", stdout=heard, stderr=heard)
    except CommandError as problem:
        wrong.append(f"audit_ledger --stripe: {problem} {heard.getvalue()[-500:]}")
    charges = {one["payment_intent"]: one for one in story.stripe.objects("charge")}
    refunds, disputes = story.stripe.objects("refund"), story.stripe.objects("dispute")
    payments = {payment.stripe_payment_intent_id: payment for payment in Payment.objects.all()}
    for intent, charge in charges.items():
        payment = payments.pop(intent, None)
        if payment is None:
            if charge["status"] == "succeeded":
                wrong.append(f"{intent} was paid, and no credits came of it")
            continue
        back = sum(one["amount"] for one in refunds if one["payment_intent"] == intent and one["status"] != "failed")
        back += sum(
            one["amount"]
            for one in disputes
            if one["payment_intent"] == intent and one["status"] in ("needs_response", "lost")
        )
        taken = payment.credits * min(back, charge["amount"]) // charge["amount"]
        if (payment.clawed_credits, payment.amount_minor) != (taken, charge["amount"]):
            wrong.append(f"{intent}: {payment.clawed_credits} credits taken back instead of {taken}")
    wrong += [f"{intent} is no payment of Stripe's" for intent in payments if intent]
    sessions = {one["id"]: one for one in story.stripe.objects("checkout.session")}
    for session in story.said.paid:
        if sessions[session]["payment_status"] != "paid":
            wrong.append(f"{session} was paid and is {sessions[session]['payment_status']}")
    granted = sum(Lot.objects.filter(kind__in=["pack", "plan"], parent=None).values_list("issued", flat=True))
    sold = sum(Payment.objects.values_list("credits", flat=True))
    if granted != sold:
        wrong.append(f"{sold} credits were sold, and {granted} granted")
    return len(charges), wrong
