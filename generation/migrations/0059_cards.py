"""How many cards the worker had that ended a clip."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0058_told_asides")]

    operations = [
        migrations.AddField("generation", "cards", models.PositiveSmallIntegerField(db_default=1, default=1)),
    ]
