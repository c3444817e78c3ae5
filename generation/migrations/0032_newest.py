"""The list of everybody's clips begins with the newest, however many there are."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("generation", "0031_staff_permissions")]

    operations = [
        AddIndexConcurrently("generation", models.Index(fields=["-created_at", "-id"], name="generation_newest")),
    ]
