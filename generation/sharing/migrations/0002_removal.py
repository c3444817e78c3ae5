"""Files that no link shows any more. No request reads which those are."""

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
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        policies.rows_of_nobody("sharing_removal"),
    ]
