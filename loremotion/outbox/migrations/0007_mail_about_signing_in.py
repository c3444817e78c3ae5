"""Mail about signing in is of no workspace, so that no policy shows it to a request, and waits sealed."""

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    dependencies: ClassVar = [("outbox", "0006_mail_alone")]
    operations: ClassVar[list[Operation]] = [
        migrations.AlterField(
            "mailmessage",
            "workspace",
            models.ForeignKey("accounts.workspace", models.CASCADE, null=True, blank=True, related_name="+"),
        ),
        migrations.AddField("mailmessage", "sealed", models.TextField(blank=True, default="", db_default="")),
    ]
