"""From which origins' pages an API key may be used."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0016_user_by_email_domain")]

    operations = [
        migrations.AddField(
            "apikey",
            "origins",
            django.contrib.postgres.fields.ArrayField(
                models.CharField(max_length=200), blank=True, db_default=[], default=list, size=None
            ),
        ),
    ]
