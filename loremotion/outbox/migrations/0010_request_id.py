"""A mail says in the log which request led to it."""

from django.db import migrations, models

from loremotion import log_ids


class Migration(migrations.Migration):
    dependencies = [("outbox", "0009_staff_search")]

    operations = [
        migrations.AddField(
            "mailmessage",
            "request_id",
            models.CharField(max_length=64, blank=True, default=log_ids.current_request, db_default=""),
        ),
    ]
