"""Clips know when their time is over. Those that are there get the free plan's two weeks; the sweep looks at the plan."""

from datetime import timedelta
from typing import Any

from django.db import migrations, models
from django.db.models import F


def give_two_weeks(apps: Any, schema_editor: Any) -> None:
    apps.get_model("generation", "Clip").objects.filter(expires_at=None).update(
        expires_at=F("created_at") + timedelta(days=14)
    )


class Migration(migrations.Migration):
    dependencies = [("generation", "0002_maker")]
    operations = [
        migrations.AddField("clip", "expires_at", models.DateTimeField(db_index=True, null=True)),
        migrations.RunPython(give_two_weeks, migrations.RunPython.noop),
        migrations.AlterField("clip", "expires_at", models.DateTimeField(db_index=True)),
    ]
