"""Workspaces' own keys for remote models, and the clips made with them. They end with their workspace and their clips,
whichever release deletes those; the note of a clip outlives its key."""

import uuid
from typing import ClassVar

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.migrations.operations.base import Operation

from loremotion.row_security import policies

OWN_CLIP = "EXISTS (SELECT FROM generation_generation mine WHERE mine.id = generation_id)"


def goes_with(table: str, column: str, of: str, *, how: str = "CASCADE") -> migrations.RunSQL:
    """Have the database delete a row with the row that it refers to, or forget that."""
    name = f"{table}_goes_with_{column}"
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES {of} (id) ON DELETE {how}",
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


class Migration(migrations.Migration):
    initial = True
    dependencies = [("accounts", "0020_audit_log_of_staff"), ("generation", "0058_told_asides")]
    operations: ClassVar[list[Operation]] = [
        migrations.CreateModel(
            name="ProviderKey",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("account", models.CharField(max_length=60)),
                ("title", models.CharField(max_length=120)),
                ("pair", models.CharField(max_length=8)),
                ("sealed", models.TextField()),
                ("hint", models.CharField(blank=True, max_length=4)),
                (
                    "state",
                    models.CharField(
                        choices=[("new", "Not tested"), ("works", "Works"), ("refused", "Refused")],
                        default="new",
                        max_length=10,
                    ),
                ),
                ("said", models.CharField(blank=True, max_length=300)),
                ("tests", models.PositiveIntegerField(default=0)),
                ("test_asked_at", models.DateTimeField(null=True)),
                ("tested_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("removed_at", models.DateTimeField(null=True)),
                (
                    "workspace",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.workspace",
                    ),
                ),
            ],
            options={
                "permissions": [("remove_providerkey", "Can remove keys that workspaces brought")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("removed_at", None)),
                        fields=("workspace", "account"),
                        name="provider_key_once",
                    )
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("removed_at__isnull", False)),
                        fields=["removed_at"],
                        name="provider_key_removed",
                    ),
                    models.Index(fields=["-created_at", "-id"], name="provider_key_newest"),
                ],
            },
        ),
        migrations.CreateModel(
            name="KeyedClip",
            fields=[
                (
                    "generation",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="generation.generation",
                    ),
                ),
                (
                    "key",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="clips",
                        to="provider_keys.providerkey",
                    ),
                ),
            ],
        ),
        goes_with("provider_keys_providerkey", "workspace_id", "accounts_workspace"),
        goes_with("provider_keys_keyedclip", "generation_id", "generation_generation"),
        goes_with("provider_keys_keyedclip", "key_id", "provider_keys_providerkey", how="SET NULL"),
        policies.rows_of_workspace("provider_keys_providerkey"),
        policies.rows_where("provider_keys_keyedclip", OWN_CLIP),
    ]
