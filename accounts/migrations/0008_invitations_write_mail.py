"""An invitation writes its mail itself. Those that were made before and told by nobody yet get theirs here."""

from datetime import timedelta
from typing import Any, ClassVar

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.utils import timezone

CONTENT = "accounts.invitations.offer_content"
TRIED_FOR = timedelta(days=2)


def write_untold(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    # As they are at this migration, which is not as the types say that they are today.
    message: Any = apps.get_model("outbox", "MailMessage")
    invitation: Any = apps.get_model("accounts", "Invitation")
    written = [
        message(
            workspace_id=offer.workspace_id,
            address=offer.email,
            content=CONTENT,
            about=offer.workspace_id,
            occasion=f"{offer.id}.{offer.sent_at.timestamp()}",
            expires_at=timezone.now() + TRIED_FOR,
        )
        for offer in invitation.objects.filter(is_told=False).iterator()
    ]
    message.objects.bulk_create(written, ignore_conflicts=True, batch_size=500)


class Migration(migrations.Migration):
    dependencies: ClassVar = [("accounts", "0007_invitation_letters"), ("outbox", "0006_mail_alone")]
    operations: ClassVar[list[Operation]] = [
        migrations.RunPython(write_untold, migrations.RunPython.noop),
        migrations.RemoveIndex("invitation", "invitation_untold"),
        # The column stays for processes of the release before. What they do not write has its mail.
        migrations.AlterField("invitation", "is_told", models.BooleanField(default=True, db_default=True)),
        migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("invitation", "is_told")]),
    ]
