"""Links by which anybody sees a clip. They end with it, whichever release deletes it."""

import uuid
from typing import ClassVar

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.migrations.operations.base import Operation

import generation.sharing.models
from loremotion.row_security import policies

OWN_CLIP = "EXISTS (SELECT FROM generation_generation mine WHERE mine.id = clip_id)"


class Migration(migrations.Migration):
    initial = True
    dependencies = [("generation", "0022_excused_attempts")]
    operations: ClassVar[list[Operation]] = [
        migrations.CreateModel(
            name="Share",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "token",
                    models.CharField(
                        default=generation.sharing.models.new_token, editable=False, max_length=32, unique=True
                    ),
                ),
                ("shows_prompt", models.BooleanField(default=False)),
                ("is_indexed", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("featured_at", models.DateTimeField(null=True)),
                (
                    "clip",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="share",
                        to="generation.clip",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("featured_at__isnull", False)),
                        fields=["-featured_at", "-id"],
                        name="share_featured",
                    )
                ],
            },
        ),
        migrations.RunSQL(
            "ALTER TABLE sharing_share ADD CONSTRAINT share_of_clip "
            "FOREIGN KEY (clip_id) REFERENCES generation_clip (generation_id) ON DELETE CASCADE",
            "ALTER TABLE sharing_share DROP CONSTRAINT share_of_clip",
        ),
        policies.rows_where("sharing_share", OWN_CLIP),
    ]
