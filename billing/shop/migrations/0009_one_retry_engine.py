"""The inbox is worked off as the outbox is: when an event ended is called as it is there, in the column that it has.

A declined payment is told in the transaction that notes it. What was noted before and told by nobody is written here.
"""

from datetime import timedelta
from typing import Any, ClassVar

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.utils import timezone

CONTENT = "billing.shop.notices.payment_failed_content"
PAYERS = ("owner", "billing")
TRIED_FOR = timedelta(days=2)


def write_untold(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    subscriptions: Any = apps.get_model("shop", "Subscription").objects
    memberships: Any = apps.get_model("accounts", "Membership").objects
    message: Any = apps.get_model("outbox", "MailMessage")
    for late in subscriptions.filter(status="past_due", failed_attempts__gt=models.F("dunned_attempts")):
        payers = memberships.filter(workspace=late.workspace, role__in=PAYERS, user__is_active=True)
        written = [
            message(
                workspace_id=late.workspace,
                user_id=user,
                content=CONTENT,
                about=late.workspace,
                occasion=f"{late.id}:{int(late.period_end.timestamp())}:{late.failed_attempts}",
                expires_at=timezone.now() + TRIED_FOR,
            )
            for user in payers.values_list("user", flat=True)
        ]
        message.objects.bulk_create(written, ignore_conflicts=True)
        subscriptions.filter(id=late.id).update(dunned_attempts=late.failed_attempts)


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("shop", "0008_open_clips"),
        ("accounts", "0008_invitations_write_mail"),
        ("outbox", "0006_mail_alone"),
    ]
    operations: ClassVar[list[Operation]] = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameField("stripeevent", "done_at", "ended_at"),
                migrations.AlterField(
                    "stripeevent", "ended_at", models.DateTimeField(blank=True, db_column="done_at", null=True)
                ),
            ],
        ),
        migrations.RunPython(write_untold, migrations.RunPython.noop),
    ]
