"""What there is to buy. Rows that staff edits; the next page shows them."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from billing.shop.money import format_amount

TAX_CODE = "txcd_10103001"
"""Stripe's code for software as a service, business use."""


OPEN_CLIPS_A_SHARE = 200
"""Clips that whoever pays may have open for each share of the queue. What they cost is held, so credits bound them
before that, and the fair queue lets them be in nobody's way: this bounds what one workspace puts in rows."""


class Plan(models.Model):
    """What a workspace gets for a monthly or yearly price. The row ``free`` is what everybody has who pays nothing."""

    FREE = "free"

    slug = models.SlugField(
        unique=True, help_text="Its name for programs and at Stripe. The plan 'free' is everybody's who pays nothing."
    )
    name = models.CharField(max_length=60, help_text="Its name on pages and invoices.")
    summary = models.CharField(max_length=200, blank=True, help_text="One line below its name on the pricing page.")
    position = models.PositiveSmallIntegerField(default=0, help_text="Its place on the pricing page, lowest first.")
    is_offered = models.BooleanField(
        default=True, help_text="Whether it can be bought. Those who have it keep it either way."
    )
    is_recommended = models.BooleanField(
        default=False, db_default=False, help_text="Whether the pricing page shows it as the one for most people."
    )
    monthly_credits = models.PositiveIntegerField(
        default=0, help_text="Credits that come with each month paid for; a year's come at once."
    )
    rollover_credits = models.PositiveIntegerField(
        default=0, help_text="Of each month's credits, so many can still be used in the month after."
    )
    open_clips = models.PositiveSmallIntegerField(
        default=3,
        db_default=3,
        help_text="Clips of one workspace that may wait or be made at a time while it pays nothing. Whoever pays may "
        "have as many as their credits hold, up to a bound that grows with the share below, or this if it is more.",
    )
    priority_weight = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1)], help_text="Share of the queue against others; free is 1."
    )
    retention_days = models.PositiveIntegerField(
        default=30, help_text="Days that a clip is kept, counted by the plan of the day on which it is made."
    )
    has_watermark = models.BooleanField(
        default=False,
        help_text="Whether clips carry words in the corner. Those of workspaces with bought credits do not.",
    )
    members = models.PositiveSmallIntegerField(
        default=1, help_text="Most members of a workspace. Whoever is there stays when there are more."
    )
    features = ArrayField(
        models.CharField(max_length=80),
        default=list,
        blank=True,
        help_text="Further lines of the pricing page, with commas between. They promise: no code reads them.",
    )
    tax_code = models.CharField(
        max_length=20, default=TAX_CODE, help_text="Stripe's code for what this is, from its list of tax codes."
    )

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(rollover_credits__lte=F("monthly_credits")), name="plan_rollover_within_credits"
            ),
            models.CheckConstraint(condition=Q(priority_weight__gte=1), name="plan_weight_positive"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def open_clips_of_payers(self) -> int:
        """Clips that may wait or be made at a time where there is a subscription, or bought credits are left."""
        return max(self.open_clips, OPEN_CLIPS_A_SHARE * self.priority_weight)


class Pack(models.Model):
    """Credits that are bought once and never lapse. Usable without a plan."""

    slug = models.SlugField(unique=True, help_text="Its name for programs and at Stripe.")
    name = models.CharField(max_length=60, help_text="Its name on pages and invoices.")
    credits = models.PositiveIntegerField(
        validators=[MinValueValidator(1)], help_text="Credits that it brings. They never lapse."
    )
    position = models.PositiveSmallIntegerField(default=0, help_text="Its place on the pricing page, lowest first.")
    is_offered = models.BooleanField(default=True, help_text="Whether it can be bought.")
    tax_code = models.CharField(
        max_length=20, default=TAX_CODE, help_text="Stripe's code for what this is, from its list of tax codes."
    )

    class Meta:
        ordering = ["position", "id"]
        constraints = [models.CheckConstraint(condition=Q(credits__gte=1), name="pack_has_credits")]

    def __str__(self) -> str:
        return self.name


class PriceQuerySet(models.QuerySet["Price"]):
    def offered(self) -> PriceQuerySet:
        """Prices that can be bought now."""
        return self.filter(is_offered=True).filter(Q(plan__is_offered=True) | Q(pack__is_offered=True))


class Price(models.Model):
    """An amount in one currency. As at Stripe it never changes: to change it, stop offering it and add another."""

    class Interval(models.TextChoices):
        ONCE = "once"
        MONTH = "month"
        YEAR = "year"

    plan = models.ForeignKey(Plan, models.PROTECT, null=True, blank=True, related_name="prices")
    pack = models.ForeignKey(Pack, models.PROTECT, null=True, blank=True, related_name="prices")
    interval = models.CharField(max_length=5, choices=Interval.choices, default=Interval.ONCE)
    currency = models.CharField(max_length=3, default="usd", help_text="ISO letters, small: usd, eur, jpy.")
    amount_minor = models.PositiveIntegerField(
        validators=[MinValueValidator(1)], help_text="In the currency's smallest unit: 999 is $9.99, and ¥999."
    )
    is_offered = models.BooleanField(default=True)
    stripe_price_id = models.CharField(max_length=255, unique=True, null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = PriceQuerySet.as_manager()

    class Meta:
        ordering = ["currency", "amount_minor"]
        constraints = [
            models.CheckConstraint(
                condition=Q(plan__isnull=False, pack__isnull=True, interval__in=["month", "year"])
                | Q(plan__isnull=True, pack__isnull=False, interval="once"),
                name="price_of_one_thing",
            ),
            models.CheckConstraint(condition=Q(currency__regex=r"^[a-z]{3}$"), name="price_currency_is_iso"),
            models.CheckConstraint(condition=Q(amount_minor__gte=1), name="price_positive"),
            models.UniqueConstraint(
                fields=["plan", "interval", "currency"], condition=Q(is_offered=True), name="price_of_plan_once"
            ),
            models.UniqueConstraint(
                fields=["pack", "currency"], condition=Q(is_offered=True, pack__isnull=False), name="price_of_pack_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item} {format_amount(self.amount_minor, self.currency)} {self.get_interval_display()}"

    @property
    def item(self) -> Plan | Pack:
        """The plan or pack that it is the price of."""
        item = self.plan or self.pack
        assert item is not None  # price_of_one_thing
        return item

    @property
    def credits(self) -> int:
        """Credits that one payment brings: a pack's, a month's, or a year's at once."""
        if self.pack is not None:
            return self.pack.credits
        assert self.plan is not None
        return self.plan.monthly_credits * self.months

    @property
    def hundred_minor(self) -> int:
        """What a hundred of its credits cost, rounded: for comparing plans and packs."""
        return round(100 * self.amount_minor / max(1, self.credits))

    @property
    def months(self) -> int:
        return {"once": 0, "month": 1, "year": 12}[self.interval]

    @property
    def monthly_minor(self) -> int:
        """The amount for a month, for comparing what is paid monthly with what is paid yearly."""
        return self.amount_minor // max(1, self.months)
