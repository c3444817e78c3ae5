"""Whatever order events come in, however often, and whatever happens between: one end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
import stripe as library
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import ledger
from billing.shop import gateway, inbox
from billing.shop.models import Payment, StripeEvent
from tests.fake_stripe.process import FakeStripeProcess
from tests.fake_stripe.state import Object
from tests.patience import PATIENCE_SECONDS
from tests.properties import examples
from tests.shop.shop_steps import ShopSteps, balance, hold, lots, pack_price, plan_price
from tests.shop.written_state import written_state


@contextmanager
def undone() -> Iterator[None]:
    """Whatever the block does to the database is taken back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def refunded_in_two_parts(stripe: FakeStripeProcess, intent: str) -> None:
    stripe.refund(intent, 100)
    stripe.refund(intent, 400)


def refund_that_failed(stripe: FakeStripeProcess, intent: str) -> None:
    refund = stripe.refund(intent)
    stripe.control("fail-refund", refund_id=refund["id"])


def dispute_won(stripe: FakeStripeProcess, intent: str) -> None:
    stripe.close_dispute(stripe.dispute(intent)["id"], "won")


def dispute_lost(stripe: FakeStripeProcess, intent: str) -> None:
    stripe.close_dispute(stripe.dispute(intent)["id"], "lost")


def refund_then_dispute_of_the_rest(stripe: FakeStripeProcess, intent: str) -> None:
    stripe.refund(intent, 200)
    stripe.dispute(intent)


ENDS: dict[Callable[[FakeStripeProcess, str], None], int] = {
    refunded_in_two_parts: 0,
    refund_that_failed: 500,
    dispute_won: 500,
    dispute_lost: 0,
    refund_then_dispute_of_the_rest: 0,
}


class Remembering(library.RequestsClient):
    """Asks Stripe for each thing once: between permutations nothing changes there."""

    def __init__(self) -> None:
        super().__init__(timeout=PATIENCE_SECONDS)
        self._answers: dict[str, Any] = {}

    def request(self, method: str, url: str, *arguments: Any, **options: Any) -> Any:
        if method.lower() != "get":
            return super().request(method, url, *arguments, **options)
        if url not in self._answers:
            self._answers[url] = super().request(method, url, *arguments, **options)
        return self._answers[url]


@pytest.fixture
def stand_still(shop_steps: ShopSteps, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on nothing happens at Stripe any more, and the site need not ask twice."""

    def stop() -> None:
        client = library.StripeClient(
            "sk_test_imitation", base_addresses={"api": shop_steps.stripe.url}, http_client=Remembering()
        )
        monkeypatch.setattr(gateway, "_client", lambda key, base: client)

    return stop


def hints(shop_steps: ShopSteps) -> list[Object]:
    """What Stripe has to say that we listen to."""
    return [event for event in shop_steps.collected() if event["type"] in inbox.TYPES]


Hint = tuple[str, str]
"""Kind and subject of an event: all that it tells."""
Left = Mapping[Hint, Sequence[Object]]
"""Events by what they tell."""


def alike(events: list[Object]) -> dict[Hint, list[Object]]:
    """The events by what they tell, in the order in which they came.

    An event is followed by its subject alone (``inbox.follow``), so of two events about one thing it does not matter
    which comes first. Orders that differ in nothing else are left out below, and no other.
    """
    found: dict[Hint, list[Object]] = {}
    for event in events:
        subject = event["data"]["object"]
        about = subject.get("payment_intent") if event["type"].startswith(("charge.", "refund.")) else subject["id"]
        found.setdefault((event["type"].split(".")[0].replace("refund", "charge"), about), []).append(event)
    return found


def arrangements(events: list[Object]) -> list[tuple[Object, ...]]:
    """Every order of the events that can make a difference."""
    found: list[tuple[Object, ...]] = []
    walk(alike(events), lambda told: nullcontext(), found.append)
    return found


def walk(
    left: Left,
    telling: Callable[[Object], AbstractContextManager[None]],
    at_end: Callable[[tuple[Object, ...]], None],
    is_new: Callable[[Left], bool] = lambda left: True,
    told: tuple[Object, ...] = (),
) -> None:
    """Go through every order of the events as through a tree, so that what orders begin alike with is done once.

    Args:
        left: what has not been told yet.
        telling: entered where an event is told, left when every order that goes on from there is done.
        at_end: called with each whole order, inside all of its events.
        is_new: whether what is left has to be told from here on; it has not where that was done from the same rows.
    """
    if not any(left.values()):
        at_end(told)
    for hint, (first, *rest) in ((hint, events) for hint, events in left.items() if events):
        with telling(first):
            still: Left = {**left, hint: rest}
            if is_new(still):
                walk(still, telling, at_end, is_new, (*told, first))


End = TypeVar("End")
MEANWHILE: Object = {"type": "meanwhile"}
"""Stands among events for what happens here, and not at Stripe."""


def ends_of_every_order(
    shop_steps: ShopSteps,
    events: list[Object],
    end: Callable[[], End],
    *,
    meanwhile: Callable[[], object] | None = None,
) -> set[End]:
    """What ``end`` says after each order of the events.

    Orders that have told the same events and left the same rows go on alike, so the first of them goes on for all: five
    events have 120 orders and 32 sets of told ones.

    Args:
        meanwhile: is done once in each order, at every possible moment.
    """
    ends: set[End] = set()
    seen: set[tuple[tuple[int, ...], str]] = set()

    def is_new(left: Left) -> bool:
        stage = (tuple(map(len, left.values())), written_state())
        is_first = stage not in seen
        seen.add(stage)
        return is_first

    @contextmanager
    def told(event: Object) -> Iterator[None]:
        with undone():
            if event is MEANWHILE and meanwhile is not None:
                meanwhile()
            else:
                shop_steps.carry([event])
            yield

    left = alike(events) | ({("meanwhile", ""): [MEANWHILE]} if meanwhile is not None else {})
    walk(left, told, lambda _: ends.add(end()), is_new)
    return ends


def test_orders_that_can_make_a_difference_are_all_tried() -> None:
    def event(kind: str, subject: str) -> Object:
        return {"type": kind, "data": {"object": {"id": subject, "payment_intent": "pi_1"}}}

    of_money = [event("charge.refunded", "ch_1"), event("refund.created", "re_1"), event("refund.failed", "re_1")]
    others = [event("checkout.session.completed", "cs_1"), event("invoice.paid", "in_1")]
    found = arrangements([*of_money, *others])
    assert len(found) == 5 * 4  # where the two others stand; the three about the payment are the same hint
    assert all(sorted(map(id, one)) == sorted(map(id, [*of_money, *others])) for one in found)


@pytest.mark.parametrize("what_happens", ENDS, ids=lambda scenario: scenario.__name__)
@pytest.mark.parametrize("held_credits", [0, 120])
def test_every_order_of_a_pack_s_events_leads_to_one_end(
    shop_steps: ShopSteps,
    stand_still: Callable[[], None],
    what_happens: Callable[[FakeStripeProcess, str], None],
    held_credits: int,
) -> None:
    account = uuid4()
    ledger.grant(account=account, reference=f"free:{account}", amount=held_credits or 1, kind=ledger.LotKind.FREE)
    order = shop_steps.order(account, pack_price())
    session = shop_steps.pay(order)
    what_happens(shop_steps.stripe, session["payment_intent"])
    events = hints(shop_steps)
    stand_still()
    assert len(events) >= 4
    with undone():
        clip = hold(account, held_credits) if held_credits else None

        def told_again() -> tuple[Any, ...]:
            """No event changes anything that comes again, known or forgotten: so they may in any order."""
            written = written_state()
            shop_steps.carry(events)
            StripeEvent.objects.all().delete()
            for event in events:
                shop_steps.carry([event])
                assert written_state() == written, event["type"]
            if clip is not None:
                ledger.capture(reference=clip)
            return balance(account), tuple(lots(account))

        ends = ends_of_every_order(shop_steps, events, told_again)
    assert {available for (available, _, _), _ in ends} == {ENDS[what_happens] + (0 if held_credits else 1)}
    assert len({end for end, _ in ends}) == 1


@pytest.mark.parametrize("held_credits", [0, 700])
def test_a_clip_that_holds_the_refunded_credits_leads_to_one_end_too(
    shop_steps: ShopSteps, stand_still: Callable[[], None], held_credits: int
) -> None:
    """The hold draws from the very lot that is taken back, at every possible moment between the events."""
    account = uuid4()
    payment = shop_steps.buy(account, pack_price(2_200))
    shop_steps.stripe.refund(payment.stripe_payment_intent_id or "", 500)
    shop_steps.stripe.refund(payment.stripe_payment_intent_id or "", 1_000)
    events = hints(shop_steps)
    stand_still()
    with undone():
        clip = hold(account, held_credits) if held_credits else None
        capture = None if clip is None else partial(ledger.capture, reference=clip, amount=650)
        ends = ends_of_every_order(shop_steps, events, lambda: balance(account), meanwhile=capture)
    spent = 650 if held_credits else 0
    kept = 2_200 - 1_650
    assert ends == {(max(0, kept - spent), 0, max(0, spent - kept))}


def test_every_order_of_a_subscription_s_first_events_leads_to_one_end(
    shop_steps: ShopSteps, stand_still: Callable[[], None]
) -> None:
    account = uuid4()
    shop_steps.pay(shop_steps.order(account, plan_price("creator")))
    events = hints(shop_steps)
    stand_still()
    ends = ends_of_every_order(
        shop_steps, events, lambda: (balance(account), Payment.objects.filter(workspace=account).count())
    )
    assert ends == {((1_500, 0, 0), 1)}


def test_a_renewal_an_upgrade_and_a_refund_lead_to_one_end(
    shop_steps: ShopSteps, stand_still: Callable[[], None]
) -> None:
    account = uuid4()
    shop_steps.subscribe(account, "creator")
    shop_steps.stripe.advance(days=31, seconds=7_200)
    subscription = shop_steps.stripe.objects("subscription")[0]
    first = Payment.objects.get(workspace=account)
    shop_steps.stripe.control("upgrade", subscription=subscription["id"], price=upgrade_price())
    shop_steps.stripe.refund(first.stripe_payment_intent_id or "")
    events = hints(shop_steps)
    stand_still()
    assert ends_of_every_order(shop_steps, events, lambda: balance(account)) == {(1_500 + 5_500, 0, 0)}


def upgrade_price() -> str:
    return gateway.stripe_price_of(plan_price("studio"))


# --- deliveries between what happens -----------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(st.sampled_from(["happen", "deliver", "again", "hold", "settle"]), st.integers(0, 20)),
    min_size=4,
    max_size=16,
)


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_deliveries_in_any_order_between_what_happens_lead_to_what_stripe_says(
    shop_steps: ShopSteps, steps: list[tuple[str, int]]
) -> None:
    with undone():
        account = uuid4()
        session = shop_steps.pay(shop_steps.order(account, pack_price()))
        play(shop_steps, account, session["payment_intent"], steps)
        assert ledger.violations(limit=5) == []


def play(shop_steps: ShopSteps, account: UUID, intent: str, steps: list[tuple[str, int]]) -> None:
    """Things happen at Stripe, events arrive late, twice and out of order, clips are made; at the end all is told."""
    waiting, told, clips, spent = hints(shop_steps), [], [], 0
    happenings = iter([("refund", 150), ("refund", 50), ("dispute", 0), ("won", 0), ("refund", 100)])
    for what, number in steps:
        if what == "happen":
            happen(shop_steps.stripe, intent, next(happenings, ("", 0)))
            waiting += hints(shop_steps)
        elif what == "deliver" and waiting:
            told.append(waiting.pop(number % len(waiting)))
            shop_steps.carry(told[-1:])
        elif what == "again" and told:
            StripeEvent.objects.filter(event_id=told[number % len(told)]["id"]).delete()
            shop_steps.carry([told[number % len(told)]])
        elif what == "hold" and balance(account)[0] >= 30:
            clips.append(hold(account, 30))
        elif what == "settle" and clips:
            spent += ledger.capture(reference=clips.pop(), amount=number).captured
    for clip in clips:
        spent += ledger.capture(reference=clip).captured
    shop_steps.carry(reversed(waiting))
    available, held, owed = balance(account)
    assert held == 0
    assert available - owed == worth_now(shop_steps.stripe, intent) - spent


def happen(stripe: FakeStripeProcess, intent: str, what: tuple[str, int]) -> None:
    kind, amount = what
    if kind == "refund" and not any(
        one["disputed"] for one in stripe.objects("charge") if one["payment_intent"] == intent
    ):
        stripe.refund(intent, amount)
    elif kind == "dispute":
        stripe.dispute(intent)
    elif kind == "won":
        open_ones = [one for one in stripe.objects("dispute") if one["payment_intent"] == intent]
        stripe.close_dispute(open_ones[0]["id"], "won")


def worth_now(stripe: FakeStripeProcess, intent: str) -> int:
    """What of 500 credits for $5.00 is left, by what Stripe says of the money."""
    refunds = [one["amount"] for one in stripe.objects("refund") if one["payment_intent"] == intent]
    disputes = [one for one in stripe.objects("dispute") if one["payment_intent"] == intent and one["status"] != "won"]
    back: int = sum(refunds) + sum(one["amount"] for one in disputes)
    return 500 - min(500, back)
