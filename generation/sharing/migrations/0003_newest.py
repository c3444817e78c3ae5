"""Staff sees the newest public links without a whole table being read and sorted."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("sharing", "0002_removal")]

    operations = [AddIndexConcurrently("share", models.Index(fields=["-created_at", "-id"], name="share_newest"))]
