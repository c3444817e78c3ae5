"""Whether unfinished renders of a model are kept where every GPU host finds them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0005_placement_block_swap")]

    operations = [
        migrations.AddField(
            "modelversion",
            "snapshots_in_store",
            models.BooleanField(
                "snapshots in the store",
                db_default=False,
                default=False,
                help_text="Any machine goes on with a render whose machine is lost. For renders of many minutes: each "
                "sends the storage up to 2 GB every half minute.",
            ),
        )
    ]
