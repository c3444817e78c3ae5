"""A clip that a GPU may take is called so in the admin: no column changes."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("generation", "0050_cancel_at_index")]
    operations: ClassVar = [
        migrations.AlterField(
            model_name="generation",
            name="state",
            field=models.CharField(
                choices=[
                    ("queued", "Queued"),
                    ("dispatched", "Handed to a GPU"),
                    ("running", "Running"),
                    ("succeeded", "Succeeded"),
                    ("failed", "Failed"),
                    ("cancelled", "Cancelled"),
                    ("blocked", "Blocked"),
                ],
                default="queued",
                max_length=10,
            ),
        )
    ]
