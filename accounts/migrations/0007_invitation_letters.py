"""The letters of invitations go through the outbox. Those that were made before have been mailed already."""

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_admin_scope_names_webhooks")]
    operations: ClassVar[list[Operation]] = [
        migrations.AddField(model_name="invitation", name="is_told", field=models.BooleanField(default=True)),
        migrations.AlterField(model_name="invitation", name="is_told", field=models.BooleanField(default=False)),
        migrations.AddIndex(
            model_name="invitation",
            index=models.Index(condition=models.Q(is_told=False), fields=["sent_at"], name="invitation_untold"),
        ),
    ]
