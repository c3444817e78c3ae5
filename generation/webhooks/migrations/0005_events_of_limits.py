"""An event may tell of a limit instead of a clip."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0004_request_id")]

    operations = [
        migrations.AddField("delivery", "data", models.JSONField(blank=True, null=True)),
        migrations.AlterField("delivery", "video_id", models.UUIDField(blank=True, null=True)),
    ]
