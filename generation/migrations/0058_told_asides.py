"""How often a clip had stepped aside when it was said when it would be ready."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0057_left_out_credentials")]

    operations = [
        migrations.AddField("toldrange", "times_aside", models.PositiveSmallIntegerField(db_default=0, default=0))
    ]
