"""The list of workspaces for staff begins with the newest."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("accounts", "0024_staff_sees_provider_keys")]

    operations = [
        AddIndexConcurrently("workspace", models.Index(fields=["-created_at", "-id"], name="workspace_newest")),
    ]
