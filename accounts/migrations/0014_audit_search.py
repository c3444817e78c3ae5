"""Staff finds the newest entries of the audit log by who did it, to what, and what it was, however many there are."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY keeps nobody from writing, and goes into no transaction
    dependencies = [("accounts", "0013_support_decides_reports")]

    operations = [
        migrations.AlterModelOptions(
            "auditentry", options={"verbose_name": "audit entry", "verbose_name_plural": "audit log"}
        ),
        AddIndexConcurrently("auditentry", models.Index(fields=["actor", "-id"], name="audit_by_actor")),
        AddIndexConcurrently("auditentry", models.Index(fields=["subject", "-id"], name="audit_by_subject")),
        AddIndexConcurrently("auditentry", models.Index(fields=["event", "-id"], name="audit_by_event")),
    ]
