"""When no clip begins, because none can be stored."""

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    dependencies: ClassVar = [("generation", "0014_delivered")]
    operations: ClassVar[list[Operation]] = [
        migrations.CreateModel(
            name="StoragePause",
            fields=[
                ("id", models.SmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("until", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="storage_pause_is_one_row")],
            },
        ),
    ]
