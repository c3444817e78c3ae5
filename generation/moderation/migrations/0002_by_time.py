"""Staff sees the reviews in the order in which they were asked for without a whole table being read and sorted."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("moderation", "0001_initial")]

    operations = [AddIndexConcurrently("review", models.Index(fields=["created_at", "id"], name="review_by_time"))]
