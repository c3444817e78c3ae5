"""Staff finds the newest acts on rows of one kind, and of one event, along an index."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("accounts", "0021_staff_acts"), ("admin", "0003_logentry_add_action_flag_choices")]

    operations = [
        AddIndexConcurrently(
            "auditentry",
            models.Index(
                fields=["event", "-id"],
                name="audit_of_staff_event",
                condition=models.Q(actor__startswith="staff "),
            ),
        ),
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS admin_log_by_kind ON django_admin_log (content_type_id, id DESC)",
            "DROP INDEX CONCURRENTLY IF EXISTS admin_log_by_kind",
        ),
    ]
