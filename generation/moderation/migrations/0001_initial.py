"""Reviews of prompts, counts of refusals and policies, each behind the wall of its workspace."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

from loremotion.row_security import policies


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0008_invitations_write_mail"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Policy",
            fields=[
                (
                    "workspace",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="accounts.workspace",
                    ),
                ),
                (
                    "strictness",
                    models.CharField(
                        choices=[("standard", "Standard"), ("relaxed", "Relaxed")],
                        help_text="Relaxed leaves adults' nudity and cruelty to the workspace. What the law draws stays refused.",
                        max_length=8,
                    ),
                ),
                ("reason", models.CharField(max_length=200)),
            ],
            options={
                "verbose_name_plural": "policies",
            },
        ),
        migrations.CreateModel(
            name="RefusalCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                (
                    "category",
                    models.CharField(
                        choices=[
                            ("sexual_minors", "Sexual minors"),
                            ("sexual_real_person", "Sexual real person"),
                            ("sexual", "Sexual"),
                            ("violence", "Violence"),
                            ("hate", "Hate"),
                            ("self_harm", "Self harm"),
                            ("weapons", "Weapons"),
                        ],
                        max_length=24,
                    ),
                ),
                ("count", models.PositiveIntegerField(default=0)),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.workspace"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["day", "-count"], name="refusals_by_day")],
                "constraints": [
                    models.UniqueConstraint(fields=("workspace", "day", "category"), name="refusals_of_a_day")
                ],
            },
        ),
        migrations.CreateModel(
            name="Review",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("digest", models.CharField(editable=False, max_length=64)),
                ("prompt", models.TextField()),
                ("negative_prompt", models.TextField(blank=True)),
                ("outcome", models.PositiveSmallIntegerField(choices=[(0, "Allowed"), (1, "Held"), (2, "Refused")])),
                (
                    "category",
                    models.CharField(
                        choices=[
                            ("sexual_minors", "Sexual minors"),
                            ("sexual_real_person", "Sexual real person"),
                            ("sexual", "Sexual"),
                            ("violence", "Violence"),
                            ("hate", "Hate"),
                            ("self_harm", "Self harm"),
                            ("weapons", "Weapons"),
                        ],
                        max_length=24,
                    ),
                ),
                (
                    "words",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), help_text="What the rules found.", size=None
                    ),
                ),
                ("plea", models.TextField(blank=True, verbose_name="what they say")),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("allowed", "Allowed"), ("refused", "Not allowed")],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("statement", models.TextField(blank=True, help_text="The reasons, as its owner reads them.")),
                (
                    "asked_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.workspace"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "waiting")), fields=["created_at"], name="review_waiting"
                    ),
                    models.Index(fields=["workspace", "-created_at"], name="review_of_workspace"),
                    models.Index(
                        condition=models.Q(("decided_at__isnull", False)), fields=["decided_at"], name="review_decided"
                    ),
                ],
                "constraints": [models.UniqueConstraint(fields=("workspace", "digest"), name="review_once")],
            },
        ),
        policies.rows_of_workspace("moderation_review"),
        policies.rows_of_workspace("moderation_refusalcount"),
        policies.rows_of_workspace("moderation_policy"),
    ]
