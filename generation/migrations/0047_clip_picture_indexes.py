"""The clip whose picture somebody's file shows is found without reading the others."""

from typing import ClassVar

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.migrations.operations.base import Operation
from django.db.models.functions import Substr

BANDS, DIGITS = 8, 8


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("generation", "0046_user_ref_index")]
    operations: ClassVar[list[Operation]] = [
        AddIndexConcurrently(
            "clip",
            models.Index(
                Substr("perceptual_hash", 1 + place * DIGITS, DIGITS),
                name=f"clip_by_picture_{place}",
                condition=~models.Q(perceptual_hash=""),
            ),
        )
        for place in range(BANDS)
    ]
