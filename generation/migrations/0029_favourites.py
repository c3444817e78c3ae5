"""A workspace's favourite clips. The release before leaves every clip what it is."""

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    dependencies = [("generation", "0028_broken_clips")]
    operations: ClassVar[list[Operation]] = [
        migrations.AddField("generation", "is_favourite", models.BooleanField(db_default=False, default=False)),
    ]
