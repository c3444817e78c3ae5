from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0003_clip_expires_at")]

    operations = [
        migrations.AddIndex(
            model_name="generation",
            index=models.Index(
                fields=["workspace"],
                name="generation_open",
                condition=models.Q(state__in=["queued", "dispatched", "running"]),
            ),
        ),
    ]
