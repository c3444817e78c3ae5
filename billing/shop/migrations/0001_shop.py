import uuid

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Customer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("workspace", models.UUIDField(unique=True)),
                ("stripe_customer_id", models.CharField(max_length=255, unique=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name="Budget",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("workspace", models.UUIDField(unique=True)),
                ("monthly_cap_credits", models.PositiveIntegerField(blank=True, null=True)),
                ("warn_below_credits", models.PositiveIntegerField(blank=True, null=True)),
                ("warn_address", models.EmailField(blank=True, max_length=254)),
                ("warned_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("warn_below_credits__isnull", False)),
                        fields=["workspace"],
                        name="budget_to_warn",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Pack",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slug", models.SlugField(unique=True)),
                ("name", models.CharField(max_length=60)),
                ("credits", models.PositiveIntegerField(validators=[django.core.validators.MinValueValidator(1)])),
                ("position", models.PositiveSmallIntegerField(default=0)),
                ("is_offered", models.BooleanField(default=True)),
                ("tax_code", models.CharField(default="txcd_10103001", max_length=20)),
            ],
            options={
                "ordering": ["position", "id"],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("credits__gte", 1)), name="pack_has_credits")
                ],
            },
        ),
        migrations.CreateModel(
            name="Plan",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slug", models.SlugField(unique=True)),
                ("name", models.CharField(max_length=60)),
                ("summary", models.CharField(blank=True, max_length=200)),
                ("position", models.PositiveSmallIntegerField(default=0)),
                ("is_offered", models.BooleanField(default=True)),
                ("monthly_credits", models.PositiveIntegerField(default=0)),
                (
                    "rollover_credits",
                    models.PositiveIntegerField(
                        default=0, help_text="Of each month's credits, so many can still be used in the month after."
                    ),
                ),
                (
                    "concurrency",
                    models.PositiveSmallIntegerField(default=1, help_text="Clips that may wait or run at once."),
                ),
                (
                    "priority_weight",
                    models.PositiveSmallIntegerField(
                        default=1,
                        help_text="Share of the queue against others; free is 1.",
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                ("retention_days", models.PositiveIntegerField(default=30)),
                ("has_watermark", models.BooleanField(default=False)),
                ("members", models.PositiveSmallIntegerField(default=1)),
                (
                    "features",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=80), blank=True, default=list, size=None
                    ),
                ),
                ("tax_code", models.CharField(default="txcd_10103001", max_length=20)),
            ],
            options={
                "ordering": ["position", "id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("rollover_credits__lte", models.F("monthly_credits"))),
                        name="plan_rollover_within_credits",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("priority_weight__gte", 1)), name="plan_weight_positive"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Price",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "interval",
                    models.CharField(
                        choices=[("once", "Once"), ("month", "Month"), ("year", "Year")], default="once", max_length=5
                    ),
                ),
                (
                    "currency",
                    models.CharField(default="usd", help_text="ISO letters, small: usd, eur, jpy.", max_length=3),
                ),
                (
                    "amount_minor",
                    models.PositiveIntegerField(
                        help_text="In the currency's smallest unit: 999 is $9.99, and ¥999.",
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                ("is_offered", models.BooleanField(default=True)),
                (
                    "stripe_price_id",
                    models.CharField(blank=True, editable=False, max_length=255, null=True, unique=True),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "pack",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="prices",
                        to="shop.pack",
                    ),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="prices",
                        to="shop.plan",
                    ),
                ),
            ],
            options={
                "ordering": ["currency", "amount_minor"],
            },
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("workspace", models.UUIDField(db_index=True)),
                ("purse", models.UUIDField()),
                ("credits", models.PositiveIntegerField()),
                ("actor", models.CharField(blank=True, max_length=254)),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "Open"), ("paid", "Paid"), ("closed", "not paid")],
                        default="open",
                        max_length=6,
                    ),
                ),
                ("stripe_session_id", models.CharField(blank=True, max_length=255, null=True, unique=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "price",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="orders", to="shop.price"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Reconciliation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[("events", "events we did not hear"), ("books", "payments against grants, both ways")],
                        max_length=6,
                    ),
                ),
                ("began_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("read_until", models.DateTimeField(blank=True, null=True)),
                ("checked", models.PositiveIntegerField(default=0)),
                ("missed", models.PositiveIntegerField(default=0, help_text="Events that no webhook had brought.")),
            ],
            options={
                "indexes": [models.Index(fields=["kind", "-began_at"], name="reconciliation_latest")],
            },
        ),
        migrations.CreateModel(
            name="Mismatch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("subject", models.CharField(max_length=255)),
                ("detail", models.TextField()),
                ("is_mended", models.BooleanField(default=False)),
                (
                    "reconciliation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="mismatches", to="shop.reconciliation"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "mismatches",
            },
        ),
        migrations.CreateModel(
            name="StripeEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("event_id", models.CharField(max_length=255, unique=True)),
                ("type", models.CharField(max_length=100)),
                ("object_id", models.CharField(max_length=255)),
                ("body", models.TextField(blank=True)),
                ("heard_from", models.CharField(default="webhook", max_length=10)),
                (
                    "state",
                    models.CharField(
                        choices=[("new", "New"), ("done", "Done"), ("dead", "Dead")], default="new", max_length=4
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("due_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("received_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                ("last_error", models.TextField(blank=True)),
            ],
            options={
                "verbose_name": "Stripe event",
                "indexes": [
                    models.Index(condition=models.Q(("state", "new")), fields=["due_at"], name="event_due"),
                    models.Index(fields=["-received_at"], name="event_by_time"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("workspace", models.UUIDField(db_index=True)),
                ("purse", models.UUIDField()),
                ("stripe_subscription_id", models.CharField(max_length=255, unique=True)),
                ("status", models.CharField(max_length=20)),
                ("period_start", models.DateTimeField()),
                ("period_end", models.DateTimeField()),
                (
                    "ends_at",
                    models.DateTimeField(blank=True, help_text="When it ends, if somebody cancelled it.", null=True),
                ),
                ("past_due_since", models.DateTimeField(blank=True, null=True)),
                (
                    "failed_attempts",
                    models.PositiveSmallIntegerField(default=0, help_text="Times that the open invoice was declined."),
                ),
                (
                    "dunned_attempts",
                    models.PositiveSmallIntegerField(default=0, help_text="How many of those a mail told of."),
                ),
                ("updated_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "next_price",
                    models.ForeignKey(
                        blank=True,
                        help_text="Its price from the next period on.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="shop.price",
                    ),
                ),
                (
                    "price",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="subscriptions", to="shop.price"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Payment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(max_length=200, unique=True)),
                ("workspace", models.UUIDField(db_index=True)),
                ("purse", models.UUIDField()),
                ("stripe_payment_intent_id", models.CharField(blank=True, max_length=255, null=True, unique=True)),
                ("stripe_invoice_id", models.CharField(blank=True, max_length=255)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("credits", models.PositiveIntegerField()),
                ("rollover_credits", models.PositiveIntegerField(default=0)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("rollover_expires_at", models.DateTimeField(blank=True, null=True)),
                ("refunded_minor", models.BigIntegerField(default=0)),
                ("disputed_minor", models.BigIntegerField(default=0)),
                ("dispute_status", models.CharField(blank=True, max_length=30)),
                ("clawed_credits", models.PositiveIntegerField(default=0)),
                ("receipt_url", models.URLField(blank=True, max_length=1000)),
                ("invoice_url", models.URLField(blank=True, max_length=1000)),
                ("paid_at", models.DateTimeField()),
                (
                    "order",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payment",
                        to="shop.order",
                    ),
                ),
                (
                    "price",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="payments", to="shop.price"
                    ),
                ),
                (
                    "subscription",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payments",
                        to="shop.subscription",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="price",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("interval__in", ["month", "year"]), ("pack__isnull", True), ("plan__isnull", False)),
                    models.Q(("interval", "once"), ("pack__isnull", False), ("plan__isnull", True)),
                    _connector="OR",
                ),
                name="price_of_one_thing",
            ),
        ),
        migrations.AddConstraint(
            model_name="price",
            constraint=models.CheckConstraint(
                condition=models.Q(("currency__regex", "^[a-z]{3}$")), name="price_currency_is_iso"
            ),
        ),
        migrations.AddConstraint(
            model_name="price",
            constraint=models.CheckConstraint(condition=models.Q(("amount_minor__gte", 1)), name="price_positive"),
        ),
        migrations.AddConstraint(
            model_name="price",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_offered", True)),
                fields=("plan", "interval", "currency"),
                name="price_of_plan_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="price",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_offered", True), ("pack__isnull", False)),
                fields=("pack", "currency"),
                name="price_of_pack_once",
            ),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(condition=models.Q(("state", "open")), fields=["created_at"], name="order_open"),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(fields=["workspace", "-paid_at"], name="payment_of_workspace"),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(("rollover_credits__lte", models.F("credits"))), name="payment_rollover_within"
            ),
        ),
    ]
