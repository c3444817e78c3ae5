"""What was called concurrency never said how many run: three times as many clips could be open. Now the row says so."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0007_account")]

    operations = [
        migrations.AddField(
            model_name="plan",
            name="open_clips",
            field=models.PositiveSmallIntegerField(
                default=3,
                db_default=3,
                help_text="Clips of one workspace that may wait or be made at a time. How many of them are made at the "
                "same moment is the queue's to say, by the share below.",
            ),
        ),
        migrations.RunSQL(
            # 32,767 is the most that the column holds.
            "UPDATE shop_plan SET open_clips = LEAST(concurrency::integer * 3, 32767)",
            "UPDATE shop_plan SET concurrency = (open_clips + 2) / 3",
        ),
        # The column stays for processes of the release before.
        migrations.AlterField("plan", "concurrency", models.PositiveSmallIntegerField(default=1, db_default=1)),
        migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("plan", "concurrency")]),
    ]
