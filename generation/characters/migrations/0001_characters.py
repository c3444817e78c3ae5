"""Characters. They end with their workspace, whichever release deletes that."""

import uuid
from typing import ClassVar

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.migrations.operations.base import Operation

from loremotion.row_security import policies


class Migration(migrations.Migration):
    initial = True
    dependencies = [("accounts", "0020_audit_log_of_staff"), ("generation", "0058_told_asides")]
    operations: ClassVar[list[Operation]] = [
        migrations.CreateModel(
            name="Character",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=80)),
                (
                    "keys",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), size=None),
                ),
                ("words", models.TextField(blank=True, default="")),
                ("preview", models.BinaryField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
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
        ),
        migrations.AddConstraint(
            model_name="character",
            constraint=models.UniqueConstraint(fields=("workspace", "name"), name="character_by_name"),
        ),
        migrations.RunSQL(
            "ALTER TABLE characters_character ADD CONSTRAINT characters_character_goes_with_workspace_id "
            "FOREIGN KEY (workspace_id) REFERENCES accounts_workspace (id) ON DELETE CASCADE",
            "ALTER TABLE characters_character DROP CONSTRAINT characters_character_goes_with_workspace_id",
        ),
        policies.rows_of_workspace("characters_character"),
    ]
