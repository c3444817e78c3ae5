"""Which clips were signed without the Content Credentials that were to go along."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0056_sent_sha256")]

    operations = [
        migrations.AddField("clip", "left_out_credentials", models.BooleanField(db_default=False, default=False))
    ]
