"""Files that no link shows any more. No request reads which those are."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.utils.timezone
from django.db import migrations, models

from loremotion.row_security import policies


class Migration(migrations.Migration):
    dependencies = [
        ("sharing", "0001_share"),
    ]

    operations = [
        migrations.CreateModel(
            name="Removal",
            fields=[
                ("reason", models.UUIDField(primary_key=True, serialize=False)),
                ("sha256", models.CharField(db_index=True, max_length=64)),
                ("perceptual_hash", models.CharField(blank=True, max_length=64)),
                (
                    "bands",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "indexes": [django.contrib.postgres.indexes.GinIndex(fields=["bands"], name="removal_bands")],
            },
        ),
        policies.rows_of_nobody("sharing_removal"),
    ]
