"""One plan is recommended on the pricing page: at first the one for one person, and then whichever staff says."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0025_newest_comparison")]

    operations = [
        migrations.AddField(
            "plan",
            "is_recommended",
            models.BooleanField(
                default=False,
                db_default=False,
                help_text="Whether the pricing page shows it as the one for most people.",
            ),
        ),
        migrations.RunSQL("UPDATE shop_plan SET is_recommended = true WHERE slug = 'creator'", migrations.RunSQL.noop),
    ]
