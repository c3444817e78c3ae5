from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    dependencies: ClassVar = [("generation", "0011_notification_requests")]
    operations: ClassVar[list[Operation]] = [
        migrations.AddField(
            "generation", "request_id", models.CharField(max_length=64, blank=True, default="", db_default="")
        ),
    ]
