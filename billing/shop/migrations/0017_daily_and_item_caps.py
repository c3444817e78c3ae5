"""A workspace limits what a day may cost, and what it spends on one thing that it buys."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0016_request_id")]

    operations = [
        migrations.AddField("budget", "daily_cap_credits", models.PositiveIntegerField(blank=True, null=True)),
        migrations.AddField("budget", "caps_by_item", models.JSONField(blank=True, null=True)),
    ]
