"""An event of Stripe says in the log which request brought it."""

from django.db import migrations, models

from loremotion import log_ids


class Migration(migrations.Migration):
    dependencies = [("shop", "0015_staff_search")]

    operations = [
        migrations.AddField(
            "stripeevent",
            "request_id",
            models.CharField(max_length=64, blank=True, default=log_ids.current_request, db_default=""),
        ),
    ]
