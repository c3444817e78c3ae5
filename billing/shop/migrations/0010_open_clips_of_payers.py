"""Says what the column means now; changes no row."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0009_one_retry_engine")]

    operations = [
        migrations.AlterField(
            model_name="plan",
            name="open_clips",
            field=models.PositiveSmallIntegerField(
                default=3,
                db_default=3,
                help_text="Clips of one workspace that may wait or be made at a time while it pays nothing. Whoever pays may "
                "have as many as their credits hold, up to a bound that grows with the share below, or this if it is more.",
            ),
        ),
    ]
