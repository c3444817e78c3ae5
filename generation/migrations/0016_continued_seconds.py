"""How long the clip is that another goes on from: the whole of both is what is delivered."""

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    dependencies: ClassVar = [("generation", "0015_storage_pause")]
    operations: ClassVar[list[Operation]] = [
        migrations.AddField(
            model_name="generation",
            name="continued_seconds",
            field=models.FloatField(db_default=0.0, default=0.0),
        ),
    ]
