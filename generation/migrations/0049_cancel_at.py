"""Whoever asks for a clip says when it is of no use to them any more."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generation", "0048_spent_by_key_index")]

    operations = [migrations.AddField("generation", "cancel_at", models.DateTimeField(null=True))]
