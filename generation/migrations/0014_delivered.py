"""Which files a GPU host has sent, so that each address is good once."""

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    dependencies: ClassVar = [("generation", "0013_attempt_secret")]
    operations: ClassVar[list[Operation]] = [
        migrations.AddField(model_name="generation", name="delivered", field=models.JSONField(null=True)),
    ]
