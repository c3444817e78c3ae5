"""Reports on an attempt must bear its secret; those that the last release handed out have none."""

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    dependencies: ClassVar = [("generation", "0012_request_id")]
    operations: ClassVar[list[Operation]] = [
        migrations.AddField(
            model_name="generation",
            name="has_attempt_secret",
            field=models.BooleanField(default=False, db_default=False),
        ),
    ]
