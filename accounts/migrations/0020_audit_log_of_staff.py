"""Staff finds acts in both logs by time, person and thing along an index: those of workspaces, and the admin's own."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


def index_of_notes(name: str, columns: str) -> migrations.RunSQL:
    """Django's table of notes has no index of these; it is Django's, so no state of ours knows of them."""
    return migrations.RunSQL(
        f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON django_admin_log ({columns})",
        f"DROP INDEX CONCURRENTLY IF EXISTS {name}",
    )


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("accounts", "0019_connections_index"), ("admin", "0003_logentry_add_action_flag_choices")]

    operations = [
        AddIndexConcurrently("auditentry", models.Index(fields=["at"], name="audit_by_time")),
        AddIndexConcurrently(
            "auditentry",
            models.Index(fields=["-id"], name="audit_of_staff", condition=models.Q(actor__startswith="staff ")),
        ),
        index_of_notes("admin_log_by_time", "action_time"),
        index_of_notes("admin_log_by_user", "user_id, id DESC"),
        index_of_notes("admin_log_by_object", "object_id, id DESC"),
    ]
