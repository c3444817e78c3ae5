"""What a receipt says of a render that went on from an attempt before. The release before notes nothing."""

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    dependencies = [("generation", "0025_rates_by_card")]
    operations: ClassVar[list[Operation]] = [
        migrations.AddField("generation", "resumed_from_step", models.PositiveIntegerField(db_default=0, default=0)),
    ]
