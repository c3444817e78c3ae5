"""Storyboards with their scenes, and clips that wait for another. They end with their workspace and their clips,
whichever release deletes those."""

import uuid
from typing import Any, ClassVar

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.migrations.operations.base import Operation

from loremotion.row_security import policies

OWN_BOARD = "EXISTS (SELECT FROM storyboards_storyboard mine WHERE mine.id = storyboard_id)"
OWN_CLIP = "EXISTS (SELECT FROM generation_generation mine WHERE mine.id = generation_id)"
NO_OTHERS_CLIP = "(clip_id IS NULL OR EXISTS (SELECT FROM generation_generation mine WHERE mine.id = clip_id))"


def goes_with(table: str, column: str, of: str, *, on_delete: str = "CASCADE") -> migrations.RunSQL:
    """Have the database delete a row with the row that it refers to, or forget that one."""
    name = f"{table}_goes_with_{column}"
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES {of} (id) ON DELETE {on_delete}",
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


def goes_with_model(to: str, **more: Any) -> models.ForeignKey[Any, Any]:
    more = {"on_delete": django.db.models.deletion.CASCADE, "related_name": "+", **more}
    return models.ForeignKey(db_constraint=False, to=to, **more)


class Migration(migrations.Migration):
    initial = True
    dependencies = [("accounts", "0009_scope_labels"), ("generation", "0052_step_aside")]
    operations: ClassVar[list[Operation]] = [
        migrations.CreateModel(
            name="Storyboard",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("title", models.CharField(max_length=60)),
                ("model", models.CharField(max_length=60)),
                ("size", models.CharField(blank=True, default="", max_length=12)),
                ("preset", models.CharField(blank=True, default="", max_length=40)),
                ("seconds", models.FloatField(null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("workspace", goes_with_model("accounts.workspace")),
            ],
        ),
        migrations.CreateModel(
            name="Scene",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveSmallIntegerField()),
                ("prompt", models.TextField(blank=True, default="")),
                ("storyboard", goes_with_model("storyboards.storyboard", related_name="scenes")),
                (
                    "clip",
                    goes_with_model("generation.generation", on_delete=django.db.models.deletion.SET_NULL, null=True),
                ),
            ],
            options={"ordering": ("position", "id")},
        ),
        migrations.CreateModel(
            name="Sequel",
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
                ("needs_bytes", models.BigIntegerField(null=True)),
                ("after", goes_with_model("generation.generation")),
            ],
        ),
        goes_with("storyboards_storyboard", "workspace_id", "accounts_workspace"),
        goes_with("storyboards_scene", "storyboard_id", "storyboards_storyboard"),
        goes_with("storyboards_scene", "clip_id", "generation_generation", on_delete="SET NULL"),
        goes_with("storyboards_sequel", "generation_id", "generation_generation"),
        goes_with("storyboards_sequel", "after_id", "generation_generation"),
        policies.rows_of_workspace("storyboards_storyboard"),
        policies.rows_where("storyboards_scene", f"{OWN_BOARD} AND {NO_OTHERS_CLIP}"),
        policies.rows_where("storyboards_sequel", OWN_CLIP),
    ]
