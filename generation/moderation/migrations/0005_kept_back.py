"""Finished clips that are kept back are counted, too. Nothing changes in the database."""

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation

from generation.moderation.models import CATEGORIES, KEPT_BACK


class Migration(migrations.Migration):
    dependencies = [("moderation", "0004_review_of_a_clip")]
    operations: ClassVar[list[Operation]] = [
        migrations.AlterField(
            "refusalcount",
            "category",
            models.CharField(choices=[*CATEGORIES, (KEPT_BACK, "Finished clips kept back")], max_length=24),
        )
    ]
