"""A program finds its clips by its own names for them, without reading the others."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("generation", "0045_user_ref")]

    operations = [
        AddIndexConcurrently(
            "generation",
            models.Index(
                fields=["workspace", "user_ref", "-created_at", "-id"],
                name="generation_by_user_ref",
                condition=~models.Q(user_ref=""),
            ),
        ),
    ]
