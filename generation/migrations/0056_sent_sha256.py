"""Which of the files that people sent had Content Credentials of their own."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0055_system_samples")]

    operations = [
        migrations.AddField(
            "upload", "sent_sha256", models.CharField(blank=True, db_default="", default="", max_length=64)
        )
    ]
