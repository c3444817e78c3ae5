"""Boards and what is on them. They end with their workspace and their clips, whichever release deletes those."""

import uuid
from typing import ClassVar

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.migrations.operations.base import Operation

from loremotion.row_security import policies

OWN_BOARD = "EXISTS (SELECT FROM boards_board mine WHERE mine.id = board_id)"
OWN_CLIP = "EXISTS (SELECT FROM generation_generation mine WHERE mine.id = generation_id)"


def goes_with(table: str, column: str, of: str) -> migrations.RunSQL:
    """Have the database delete a row with the row that it refers to."""
    name = f"{table}_goes_with_{column}"
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES {of} (id) ON DELETE CASCADE",
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


class Migration(migrations.Migration):
    initial = True
    dependencies = [("accounts", "0009_scope_labels"), ("generation", "0027_clock_beside_old_release")]
    operations: ClassVar[list[Operation]] = [
        migrations.CreateModel(
            name="Board",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("title", models.CharField(max_length=60)),
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
        migrations.CreateModel(
            name="BoardClip",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("added_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "board",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="places",
                        to="boards.board",
                    ),
                ),
                (
                    "generation",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="board_places",
                        to="generation.generation",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("board", "generation"), name="board_clip_once")],
            },
        ),
        goes_with("boards_board", "workspace_id", "accounts_workspace"),
        goes_with("boards_boardclip", "board_id", "boards_board"),
        goes_with("boards_boardclip", "generation_id", "generation_generation"),
        policies.rows_of_workspace("boards_board"),
        policies.rows_where("boards_boardclip", f"{OWN_BOARD} AND {OWN_CLIP}"),
    ]
