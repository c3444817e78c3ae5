"""Mail to an address is written in the language of whoever had it written."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outbox", "0011_state_in_words")]

    operations = [
        migrations.AddField(
            "mailmessage", "language", models.CharField(max_length=10, blank=True, default="", db_default="")
        ),
    ]
