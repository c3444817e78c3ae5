"""Staff may be asked to look at a clip that was kept back. The release before asks for prompts alone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("moderation", "0003_guard")]

    operations = [migrations.AddField("review", "clip_id", models.UUIDField(blank=True, editable=False, null=True))]
