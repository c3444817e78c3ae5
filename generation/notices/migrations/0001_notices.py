"""Reports of clips, each behind the wall of the workspace that it is about, and the words of legal pages.

They outlive workspaces and staff, whichever release erases those.
"""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

from loremotion.row_security import policies


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0009_scope_labels"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="LegalPage",
            fields=[
                (
                    "slug",
                    models.CharField(
                        choices=[("terms", "Terms"), ("privacy", "Privacy")],
                        max_length=10,
                        primary_key=True,
                        serialize=False,
                        verbose_name="page",
                    ),
                ),
                (
                    "text",
                    models.TextField(
                        help_text="An empty line begins a paragraph; a line that begins with # is a heading."
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("clip_id", models.UUIDField(blank=True, null=True)),
                ("address", models.CharField(max_length=300)),
                (
                    "category",
                    models.CharField(
                        choices=[
                            ("minors", "Sexual content with children"),
                            ("intimate", "An intimate picture of somebody who did not agree, made up or not"),
                            ("person", "A real person who did not agree, or who is made to say or do things"),
                            ("hate", "Hatred or a threat"),
                            ("violence", "Cruelty"),
                            ("copyright", "Somebody's work or brand"),
                            ("deception", "Fraud or deception"),
                            ("other", "Something else that is against the law"),
                        ],
                        max_length=10,
                    ),
                ),
                ("statement", models.TextField(verbose_name="what is wrong with it")),
                ("contact", models.EmailField(blank=True, max_length=254, verbose_name="who reports it")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Waiting"),
                            ("removed", "Taken down"),
                            ("kept", "Left as it is"),
                            ("objected", "Objected to, waiting"),
                            ("upheld", "Stays taken down"),
                            ("restored", "Restored"),
                        ],
                        default="open",
                        max_length=8,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "decision",
                    models.TextField(blank=True, help_text="As both sides read them.", verbose_name="reasons"),
                ),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("objection", models.TextField(blank=True)),
                ("objected_at", models.DateTimeField(blank=True, null=True)),
                (
                    "decided_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="accounts.workspace",
                    ),
                ),
            ],
            options={
                "verbose_name": "report",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["open", "objected"])),
                        fields=["created_at"],
                        name="notice_waiting",
                    ),
                    models.Index(fields=["workspace", "-created_at"], name="notice_of_workspace"),
                    models.Index(fields=["-created_at"], name="notice_by_time"),
                    models.Index(
                        condition=models.Q(("contact", ""), _negated=True),
                        fields=["contact", "created_at"],
                        name="notice_by_contact",
                    ),
                    models.Index(
                        condition=models.Q(("decided_at__isnull", False)), fields=["decided_at"], name="notice_decided"
                    ),
                ],
            },
        ),
        *(
            migrations.RunSQL(
                f"ALTER TABLE notices_notice ADD CONSTRAINT notice_of_{name} "
                f"FOREIGN KEY ({name}_id) REFERENCES {table} (id) ON DELETE SET NULL",
                f"ALTER TABLE notices_notice DROP CONSTRAINT notice_of_{name}",
            )
            for name, table in (("workspace", "accounts_workspace"), ("decided_by", "accounts_user"))
        ),
        policies.rows_of_workspace("notices_notice"),
    ]
