"""Clips that wait to be signed, and the clip of a file that somebody asks about, are found without reading the others."""

from typing import ClassVar

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("generation", "0042_signed_clips")]
    operations: ClassVar[list[Operation]] = [
        AddIndexConcurrently(
            "clip",
            models.Index(fields=["sign_at"], name="clip_to_sign", condition=models.Q(sign_at__isnull=False)),
        ),
        AddIndexConcurrently("clip", models.Index(fields=["sha256"], name="clip_by_digest")),
        AddIndexConcurrently(
            "clip",
            models.Index(fields=["signed_sha256"], name="clip_by_signed", condition=~models.Q(signed_sha256="")),
        ),
    ]
