"""What a caller's own program calls a clip."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0044_retry_label")]

    operations = [
        migrations.AddField(
            "generation", "user_ref", models.CharField(blank=True, db_default="", default="", max_length=200)
        ),
    ]
