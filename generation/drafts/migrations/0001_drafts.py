"""Which clips are drafts. The notes end with their clips, whichever release deletes those."""

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models
from django.db.migrations.operations.base import Operation

from loremotion.row_security import policies

OWN_CLIP = "EXISTS (SELECT FROM generation_generation mine WHERE mine.id = generation_id)"


def goes_with(column: str) -> migrations.RunSQL:
    """Have the database delete a note with the clip that it refers to."""
    name = f"drafts_draft_goes_with_{column}"
    return migrations.RunSQL(
        f"ALTER TABLE drafts_draft ADD CONSTRAINT {name} FOREIGN KEY ({column}) "
        "REFERENCES generation_generation (id) ON DELETE CASCADE",
        f"ALTER TABLE drafts_draft DROP CONSTRAINT {name}",
    )


class Migration(migrations.Migration):
    initial = True
    dependencies = [("generation", "0052_step_aside")]
    operations: ClassVar[list[Operation]] = [
        migrations.CreateModel(
            name="Draft",
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
                ("final_preset", models.CharField(max_length=40)),
                ("final_steps", models.PositiveIntegerField()),
                (
                    "final",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="generation.generation",
                    ),
                ),
            ],
        ),
        goes_with("generation_id"),
        goes_with("final_id"),
        policies.rows_where("drafts_draft", OWN_CLIP),
    ]
