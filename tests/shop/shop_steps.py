"""The words in which the shop's tests speak: a buyer, and the post between Stripe and the site."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

from django.db import transaction
from django.test import Client

from billing import ledger
from billing.models import Lot
from billing.shop import inbox, ordering, subscribing
from billing.shop.models import Order, Payment, Price, StripeEvent, Subscription
from billing.shop.subscribing import Change
from tests.fake_stripe.process import CARD, FakeStripeProcess
from tests.fake_stripe.state import Object
from tests.fake_stripe.webhooks import signed

FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)
BACK = "https://site.test/billing/orders/"


def pack_price(credits: int = 500, currency: str = "usd") -> Price:
    return Price.objects.get(pack__credits=credits, currency=currency)


def plan_price(plan: str, interval: str = "month", currency: str = "usd") -> Price:
    return Price.objects.get(plan__slug=plan, interval=interval, currency=currency)


def balance(account: UUID) -> tuple[int, int, int]:
    """Available, held, owed."""
    now = ledger.balance(account=account)
    return now.available, now.held, now.debt


def lots(account: UUID) -> list[tuple[str, int, int, int]]:
    """Every lot by its kind: issued, remaining, taken back."""
    found = Lot.objects.filter(account=account).order_by("id")
    return [(lot.kind, lot.issued, lot.remaining, lot.clawed) for lot in found]


def hold(account: UUID, credits: int) -> UUID:
    """Set credits aside for a clip. Returns the clip."""
    clip = uuid4()
    ledger.hold(account=account, reference=clip, amount=credits, expires_at=FAR_AWAY, quote={})
    return clip


def spend(account: UUID, credits: int) -> None:
    """A clip of that price, made."""
    ledger.capture(reference=hold(account, credits))


def open_order(workspace: UUID, price: Price) -> Order:
    """An order whose pay page is open."""
    made = ordering.order(order_id=uuid4(), workspace=workspace, price=price, actor="buyer@site.test")
    ordering.pay_page(made, email="buyer@example.com", back=BACK)
    made.refresh_from_db()
    return made


def change(account: UUID, plan: str, interval: str = "month", attempt: UUID | None = None) -> Change:
    """Change the plan, as the form on the pricing page does."""
    return subscribing.change(workspace=account, price=plan_price(plan, interval), attempt=attempt or uuid4())


def granted(account: UUID) -> list[int]:
    """Credits of each payment, first to last."""
    return list(Payment.objects.filter(workspace=account).order_by("paid_at", "id").values_list("credits", flat=True))


class ShopSteps:
    """Buys for workspaces, and carries Stripe's events to the site by hand."""

    def __init__(self, stripe: FakeStripeProcess) -> None:
        self.stripe = stripe
        self.browser = Client()
        self._carried = 0

    # --- buying ----------------------------------------------------------------------------------------------

    def order(self, workspace: UUID, price: Price) -> Order:
        """An order whose pay page is open."""
        return open_order(workspace, price)

    def pay(self, order: Order, *, card: str = CARD, is_slow: bool = False) -> Object:
        """Pay at Stripe's. The site does not know yet."""
        return self.stripe.pay(order.stripe_session_id or "", card=card, is_slow=is_slow)

    def buy(self, workspace: UUID, price: Price | None = None) -> Payment:
        """Order, pay, and let the site hear of it."""
        made = self.order(workspace, price or pack_price())
        self.pay(made)
        self.carry_all()
        return Payment.objects.get(workspace=workspace, price=made.price)

    def subscribe(self, workspace: UUID, plan: str = "creator", interval: str = "month") -> Subscription:
        made = self.order(workspace, plan_price(plan, interval))
        self.pay(made)
        self.carry_all()
        return Subscription.objects.get(workspace=workspace)

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Whatever the block does is taken back, here and at Stripe."""
        self.stripe.control("remember")
        carried = self._carried
        with transaction.atomic():
            yield
            transaction.set_rollback(True)
        self.stripe.control("go-back")
        self._carried = carried

    # --- the post --------------------------------------------------------------------------------------------

    def collected(self) -> list[Object]:
        """What has happened at Stripe since this was asked last."""
        events = self.stripe.events(after=self._carried)
        self._carried += len(events)
        return events

    def deliver(self, event: Object, *, secret: str = "", is_thin: bool = False) -> int:
        """One event to the webhook. Returns the status that the site answers."""
        body, signature = signed(event, secret or self.stripe.secret, is_thin=is_thin)
        answer = self.browser.post(
            "/stripe/webhook/", body, content_type="application/json", headers={"Stripe-Signature": signature}
        )
        return answer.status_code

    def carry(self, events: Iterable[Object]) -> None:
        """Deliver these in this order, each worked on before the next comes."""
        for event in events:
            assert self.deliver(event) == 200
            self.work()

    def carry_all(self) -> None:
        self.carry(self.collected())

    def work(self) -> None:
        """What a worker would do with the inbox now. Nothing may be left undone."""
        for event_id in StripeEvent.objects.filter(state="new").order_by("id").values_list("event_id", flat=True):
            inbox.work_on(event_id)
        unfinished = StripeEvent.objects.exclude(state="done").values_list("type", "last_error")
        assert list(unfinished) == []
