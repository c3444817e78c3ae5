"""When a clip was signed, and when it is tried again."""

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    dependencies = [("generation", "0041_bounded_count")]
    operations: ClassVar[list[Operation]] = [
        migrations.AddField("clip", "signed_at", models.DateTimeField(null=True)),
        migrations.AddField("clip", "sign_at", models.DateTimeField(null=True)),
        migrations.AddField("clip", "signed_sha256", models.CharField(max_length=64, default="", db_default="")),
    ]
