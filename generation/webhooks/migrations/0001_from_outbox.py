"""Endpoints and deliveries come from the app ``outbox``, with their tables as they are."""

import uuid
from typing import ClassVar

import django.contrib.postgres.fields
import django.utils.timezone
from django.db import migrations, models
from django.db.migrations.operations.base import Operation

from loremotion import content_types


class Migration(migrations.Migration):
    initial = True
    dependencies: ClassVar = [
        ("accounts", "0001_initial"),
        ("outbox", "0006_mail_alone"),
        *content_types.DEPENDENCIES,
    ]
    operations: ClassVar[list[Operation]] = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="Endpoint",
                    fields=[
                        ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                        ("name", models.CharField(max_length=80)),
                        ("url", models.CharField(max_length=500)),
                        (
                            "event_types",
                            django.contrib.postgres.fields.ArrayField(models.CharField(max_length=40), size=None),
                        ),
                        ("sealed_secret", models.TextField()),
                        ("secret_hint", models.CharField(max_length=16)),
                        ("old_sealed_secret", models.TextField(blank=True)),
                        ("old_secret_until", models.DateTimeField(blank=True, null=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("updated_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("disabled_at", models.DateTimeField(blank=True, null=True)),
                        ("disabled_because", models.CharField(blank=True, max_length=200)),
                        ("failures", models.PositiveIntegerField(default=0)),
                        ("failing_since", models.DateTimeField(blank=True, null=True)),
                        ("resumes_at", models.DateTimeField(default=django.utils.timezone.now)),
                        (
                            "workspace",
                            models.ForeignKey("accounts.workspace", models.CASCADE, related_name="webhook_endpoints"),
                        ),
                    ],
                    options={
                        "db_table": "outbox_endpoint",
                        "indexes": [models.Index(fields=["workspace", "created_at"], name="endpoint_of_workspace")],
                    },
                ),
                migrations.CreateModel(
                    name="Delivery",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        (
                            "state",
                            models.CharField(
                                choices=[("waiting", "Waiting"), ("sent", "Sent"), ("dead", "Dead")],
                                default="waiting",
                                max_length=7,
                            ),
                        ),
                        ("attempts", models.PositiveSmallIntegerField(default=0)),
                        ("due_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("expires_at", models.DateTimeField()),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("ended_at", models.DateTimeField(blank=True, null=True)),
                        ("last_error", models.CharField(blank=True, max_length=500)),
                        ("event_id", models.CharField(max_length=60)),
                        ("event_type", models.CharField(max_length=40)),
                        ("video_id", models.UUIDField()),
                        ("is_test", models.BooleanField(default=False)),
                        ("last_status", models.PositiveSmallIntegerField(blank=True, null=True)),
                        ("last_answer", models.TextField(blank=True)),
                        ("last_attempt_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "endpoint",
                            models.ForeignKey("webhooks.endpoint", models.CASCADE, related_name="deliveries"),
                        ),
                    ],
                    options={
                        "db_table": "outbox_delivery",
                        "verbose_name_plural": "deliveries",
                        "indexes": [
                            models.Index(
                                condition=models.Q(("state", "waiting")), fields=["due_at"], name="delivery_due"
                            ),
                            models.Index(
                                condition=models.Q(("ended_at__isnull", False)),
                                fields=["ended_at"],
                                name="delivery_ended",
                            ),
                            models.Index(fields=["endpoint", "-id"], name="delivery_of_endpoint"),
                        ],
                        "constraints": [models.UniqueConstraint(fields=("endpoint", "event_id"), name="delivery_once")],
                    },
                ),
            ],
        ),
        content_types.rename_content_type(("outbox", "endpoint"), ("webhooks", "endpoint")),
        content_types.rename_content_type(("outbox", "delivery"), ("webhooks", "delivery")),
    ]
