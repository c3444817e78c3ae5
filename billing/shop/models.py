"""What people ordered, what they paid, and what Stripe told us about it.

Rows name workspaces by their bare id: they outlive the workspace, because the books do. ``workspace`` is who sees the
row, and changes when a visitor signs up; ``account`` is the one that the credits were granted to, and never changes.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Final, Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from billing.shop.days import ChangedDay, FeeDay, LiabilityDay, PaymentDay
from billing.shop.offers import Pack, Plan, Price
from loremotion.outbox.models import Retried

__all__ = [
    "Budget",
    "ChangedDay",
    "Customer",
    "FeeDay",
    "LiabilityDay",
    "Lock",
    "Mismatch",
    "Order",
    "Pack",
    "Payment",
    "PaymentDay",
    "Plan",
    "Price",
    "Reconciliation",
    "StripeEvent",
    "Subscription",
]


class Customer(models.Model):
    """A workspace as Stripe knows it."""

    workspace = models.UUIDField(unique=True)
    stripe_customer_id = models.CharField(max_length=255, unique=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.stripe_customer_id


class Order(models.Model):
    """Somebody pressed "buy". Written before Stripe is asked, so that the id can be the idempotency key.

    Nothing is granted on an order's word: only on what Stripe answers when it is asked about the session.
    """

    class State(models.TextChoices):
        OPEN = "open"
        PAID = "paid"
        CLOSED = "closed", "not paid"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.UUIDField(db_index=True)
    account = models.UUIDField(db_column="purse")
    price = models.ForeignKey(Price, models.PROTECT, related_name="orders")
    credits = models.PositiveIntegerField()
    actor = models.CharField(max_length=254, blank=True)
    state = models.CharField(max_length=6, choices=State.choices, default=State.OPEN)
    stripe_session_id = models.CharField(max_length=255, unique=True, null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["created_at"], name="order_open", condition=Q(state="open")),
            models.Index(fields=["-created_at", "-id"], name="order_newest"),
            models.Index(fields=["account"], name="order_of_account"),
        ]

    def __str__(self) -> str:
        return f"order {self.id}"


IS_LIVE_SQL: Final = """
subscription.status IN ('active', 'trialing')
    OR subscription.status = 'past_due' AND subscription.past_due_since > %(late_since)s
"""
"""``SubscriptionQuerySet.live`` in SQL, for what every request asks: see ``billing.plans``."""


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    def of(self, workspace: uuid.UUID) -> SubscriptionQuerySet:
        return self.filter(workspace=workspace).select_related("price__plan")

    def live(self) -> SubscriptionQuerySet:
        """Those that entitle to their plan now: paid for, or late with it and still within the grace."""
        late_since = timezone.now() - Subscription.GRACE
        return self.filter(Q(status__in=["active", "trialing"]) | Q(status="past_due", past_due_since__gt=late_since))

    def ongoing(self) -> SubscriptionQuerySet:
        """Those that Stripe has not ended, whether or not they are paid for."""
        return self.exclude(status__in=["canceled", "incomplete_expired"])


class Subscription(models.Model):
    """A plan that a workspace pays for again and again, as Stripe last described it. Never grants credits by itself."""

    GRACE = timedelta(days=7)

    workspace = models.UUIDField(db_index=True)
    account = models.UUIDField(db_column="purse")
    price = models.ForeignKey(Price, models.PROTECT, related_name="subscriptions")
    stripe_subscription_id = models.CharField(max_length=255, unique=True)
    status = models.CharField(max_length=20)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True, help_text="When it ends, if somebody cancelled it.")
    next_price = models.ForeignKey(
        Price,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Its price from the next period on.",
    )
    past_due_since = models.DateTimeField(null=True, blank=True)
    failed_attempts = models.PositiveSmallIntegerField(default=0, help_text="Times that the open invoice was declined.")
    dunned_attempts = models.PositiveSmallIntegerField(default=0, help_text="How many of those a mail told of.")
    updated_at = models.DateTimeField(default=timezone.now)

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["past_due_since"], name="subscription_late", condition=Q(past_due_since__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.stripe_subscription_id

    @property
    def plan(self) -> Plan:
        assert self.price.plan is not None
        return self.price.plan

    @property
    def is_late(self) -> bool:
        return self.status in ("past_due", "unpaid")

    @property
    def grace_ends_at(self) -> datetime | None:
        return self.past_due_since + self.GRACE if self.past_due_since is not None else None


class Payment(models.Model):
    """Money that arrived for one thing, and the credits granted for it. One row for each paid session or invoice.

    ``source`` names it here and in the ledger: ``order:<id>`` for a pack, ``invoice:in_…`` for a period of a plan. What
    was granted stands from the first moment: a plan that staff edits later does not change what was paid for.
    """

    DISPUTES_TO_ANSWER: Final = ("needs_response", "warning_needs_response", "appeal_needs_response")
    """What Stripe calls a dispute that is lost unless somebody answers it in time."""

    source = models.CharField(max_length=200, unique=True)
    workspace = models.UUIDField(db_index=True)
    account = models.UUIDField(db_column="purse")
    price = models.ForeignKey(Price, models.PROTECT, related_name="payments")
    order = models.OneToOneField(Order, models.PROTECT, null=True, blank=True, related_name="payment")
    subscription = models.ForeignKey(Subscription, models.PROTECT, null=True, blank=True, related_name="payments")
    stripe_payment_intent_id = models.CharField(max_length=255, unique=True, null=True, blank=True)
    stripe_invoice_id = models.CharField(max_length=255, blank=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    credits = models.PositiveIntegerField()
    rollover_credits = models.PositiveIntegerField(default=0)
    expires_at = models.DateTimeField(null=True, blank=True)
    rollover_expires_at = models.DateTimeField(null=True, blank=True)
    refunded_minor = models.BigIntegerField(default=0)
    disputed_minor = models.BigIntegerField(default=0)
    dispute_status = models.CharField(max_length=30, blank=True)
    dispute_due_at = models.DateTimeField(null=True, blank=True, help_text="Until when Stripe takes our answer.")
    clawed_credits = models.PositiveIntegerField(default=0)
    receipt_url = models.URLField(max_length=1000, blank=True)
    invoice_url = models.URLField(max_length=1000, blank=True)
    paid_at = models.DateTimeField()

    class Meta:
        permissions = [
            ("refund_payment", "Can refund payments"),
            ("view_revenue", "Can see revenue and what is owed for unspent credits"),
        ]
        indexes = [
            models.Index(fields=["workspace", "-paid_at"], name="payment_of_workspace"),
            models.Index(fields=["stripe_invoice_id"], name="payment_of_invoice"),
            models.Index(fields=["-paid_at"], name="payment_by_time"),
            models.Index(fields=["account"], name="payment_of_account"),
            models.Index(fields=["dispute_status"], name="payment_disputed", condition=~Q(dispute_status="")),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(rollover_credits__lte=F("credits")), name="payment_rollover_within")
        ]

    def __str__(self) -> str:
        return self.source

    @property
    def parts(self) -> list[tuple[str, int, datetime | None]]:
        """The ledger's lots that it pays for: reference, credits, when they lapse. First the one that lapses last."""
        parts = [
            (f"{self.source}:rollover", self.rollover_credits, self.rollover_expires_at),
            (self.source, self.credits - self.rollover_credits, self.expires_at),
        ]
        return [part for part in parts if part[1] > 0]


class StripeEvent(Retried):
    """The inbox: something that Stripe said has happened. A hint to look, never the truth itself."""

    class State(models.TextChoices):
        NEW = "new"
        DONE = "done"
        DEAD = "dead", "Failed"

    MOST_ATTEMPTS = 16
    """About a day of them."""

    queue = "stripe"
    job = "billing.shop.jobs.work_on_event"
    job_argument = "event_id"
    job_seconds = 110
    waiting = State.NEW
    dead = State.DEAD
    first_pause = timedelta(seconds=5)

    event_id = models.CharField(max_length=255, unique=True)
    type = models.CharField(max_length=100)
    object_id = models.CharField(max_length=255)
    body = models.TextField(blank=True)
    heard_from = models.CharField(max_length=10, default="webhook")
    state = models.CharField(max_length=4, choices=State.choices, default=State.NEW)
    received_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True, db_column="done_at")
    last_error = models.TextField(blank=True)

    class Meta:
        verbose_name = "Stripe event"
        indexes = [
            models.Index(fields=["due_at"], name="event_due", condition=Q(state="new")),
            models.Index(fields=["-received_at"], name="event_by_time"),
            models.Index(fields=["object_id"], name="event_of_object"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.object_id}"

    def is_spent(self, *, attempts: int, at: datetime) -> bool:
        return attempts >= self.MOST_ATTEMPTS

    @property
    def log_ids(self) -> dict[str, str]:
        return {"request_id": self.request_id, "event_id": self.event_id, "object_id": self.object_id}


class Reconciliation(models.Model):
    """One comparison with Stripe, and how far it got."""

    class Kind(models.TextChoices):
        EVENTS = "events", "events we did not hear"
        BOOKS = "books", "payments against grants, both ways"

    kind = models.CharField(max_length=6, choices=Kind.choices)
    began_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    read_until = models.DateTimeField(null=True, blank=True)
    checked = models.PositiveIntegerField(default=0)
    balance = models.JSONField(default=dict, blank=True, help_text="The account at Stripe beside our payments.")
    missed = models.PositiveIntegerField(default=0, help_text="Events that no webhook had brought.")

    class Meta:
        indexes = [
            models.Index(fields=["kind", "-began_at"], name="reconciliation_latest"),
            models.Index(fields=["-began_at", "-id"], name="reconciliation_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.began_at:%F %R}"


class MismatchQuerySet(models.QuerySet["Mismatch"]):
    def open(self) -> Self:
        """Return what the last comparison of the books left as it was."""
        compared = Reconciliation.objects.filter(kind=Reconciliation.Kind.BOOKS, finished_at__isnull=False)
        return self.filter(reconciliation__in=compared.order_by("-id").values("id")[:1], is_mended=False)


class Mismatch(models.Model):
    """Stripe and the ledger said different things about one object; ``is_mended`` once they say the same."""

    reconciliation = models.ForeignKey(Reconciliation, models.CASCADE, related_name="mismatches")
    subject = models.CharField(max_length=255)
    detail = models.TextField()
    is_mended = models.BooleanField(default=False)

    objects = MismatchQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "mismatches"

    def __str__(self) -> str:
        return f"{self.subject}: {self.detail}"


class Budget(models.Model):
    """Limits that a workspace set itself: what it may spend in a day and in a month, also on one thing that it buys,
    and when it wants to be warned."""

    workspace = models.UUIDField(unique=True)
    daily_cap_credits = models.PositiveIntegerField(null=True, blank=True)
    monthly_cap_credits = models.PositiveIntegerField(null=True, blank=True)
    caps_by_item = models.JSONField(null=True, blank=True)
    """What is bought, as whoever sells it names it → ``{"day": credits, "month": credits}``, either of them or both."""
    warn_below_credits = models.PositiveIntegerField(null=True, blank=True)
    warn_address = models.EmailField(blank=True)
    warned_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["workspace"], name="budget_to_warn", condition=Q(warn_below_credits__isnull=False))
        ]

    def __str__(self) -> str:
        return f"budget of {self.workspace}"


class Lock(models.Model):
    """Who is alone with a subject, and until when at the latest: see ``billing.shop.locks``."""

    subject = models.CharField(max_length=255, primary_key=True)
    holder = models.UUIDField()
    lapses_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.subject
