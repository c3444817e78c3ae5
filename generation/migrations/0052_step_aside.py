"""A render that let a short clip go first: how often, and who keeps what it goes on from."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0051_handed_to_a_gpu")]

    operations = [
        migrations.AddField("generation", "times_aside", models.PositiveSmallIntegerField(db_default=0, default=0)),
        migrations.AddField(
            "generation", "kept_by", models.CharField(blank=True, db_default="", default="", max_length=120)
        ),
    ]
