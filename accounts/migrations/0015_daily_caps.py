"""What a member, or a key, may spend in a day, beside what they may in a month."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0014_audit_search")]

    operations = [
        migrations.AddField("apikey", "daily_cap_credits", models.PositiveIntegerField(blank=True, null=True)),
        migrations.AddField("membership", "daily_cap_credits", models.PositiveIntegerField(blank=True, null=True)),
    ]
