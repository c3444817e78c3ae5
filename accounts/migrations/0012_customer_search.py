"""Staff finds people and teams by the beginning of an address or a name, however many there are."""

from django.contrib.postgres.indexes import OpClass
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("accounts", "0011_staff_roles")]

    operations = [
        AddIndexConcurrently("user", models.Index(OpClass(Upper("email"), "text_pattern_ops"), name="user_by_email")),
        AddIndexConcurrently("user", models.Index(OpClass(Upper("name"), "text_pattern_ops"), name="user_by_name")),
        AddIndexConcurrently(
            "workspace", models.Index(OpClass(Upper("name"), "text_pattern_ops"), name="workspace_by_name")
        ),
    ]
