"""What is known of a clip that came out broken, and was made with another seed. The release before notes nothing."""

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    dependencies = [("generation", "0027_clock_beside_old_release")]
    operations: ClassVar[list[Operation]] = [
        migrations.AddField("generation", "first_seed", models.BigIntegerField(null=True)),
        migrations.AddField("clip", "remark", models.CharField(blank=True, db_default="", default="", max_length=10)),
    ]
