"""The payments of a month are found without reading those of all others."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("shop", "0013_lock")]

    operations = [AddIndexConcurrently("payment", models.Index(fields=["-paid_at"], name="payment_by_time"))]
