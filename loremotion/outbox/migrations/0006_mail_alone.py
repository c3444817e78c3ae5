"""Endpoints and deliveries are ``generation.webhooks``' from here on, and requests for mail about a clip ``generation``'s;
what is left is mail. No table changes, but that a mail names what it says by a dotted name, for which its column is wider.
"""

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation

from loremotion import content_types

CONTENT_OF_KIND = {
    "invitation": "accounts.invitations.offer_content",
    "payment_failed": "billing.shop.notices.payment_failed_content",
    "low_balance": "billing.shop.notices.low_balance_content",
    "clip_ended": "generation.settlement.notifications.clip_ended_content",
    "endpoint_disabled": "generation.webhooks.letters.endpoint_disabled_content",
}


def _rename_kind(old: str, new: str) -> migrations.RunSQL:
    """What was written already is not written again under the other name, so what was sent is renamed too."""
    rename = "UPDATE outbox_letter SET kind = %s WHERE kind = %s"
    return migrations.RunSQL([(rename, [new, old])], [(rename, [old, new])])


class Migration(migrations.Migration):
    dependencies: ClassVar = [("outbox", "0005_letters_to_nobody_go_back"), *content_types.DEPENDENCIES]
    operations: ClassVar[list[Operation]] = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.DeleteModel("Delivery"),
                migrations.DeleteModel("Endpoint"),
                migrations.DeleteModel("Wish"),
                migrations.RemoveConstraint("letter", "letter_once"),
                migrations.AlterModelTable("letter", "outbox_letter"),
                migrations.RenameModel("Letter", "MailMessage"),
                migrations.RenameField("mailmessage", "kind", "content"),
                migrations.AlterField("mailmessage", "content", models.CharField(max_length=100, db_column="kind")),
                migrations.AlterField(
                    "mailmessage",
                    "workspace",
                    models.ForeignKey("accounts.workspace", models.CASCADE, related_name="+"),
                ),
                migrations.AddConstraint(
                    "mailmessage",
                    models.UniqueConstraint(
                        fields=("user", "address", "content", "occasion"), name="letter_once", nulls_distinct=False
                    ),
                ),
            ],
            database_operations=[
                migrations.RunSQL(
                    "ALTER TABLE outbox_letter ALTER COLUMN kind TYPE varchar(100)",
                    "ALTER TABLE outbox_letter ALTER COLUMN kind TYPE varchar(20)",
                ),
                *(_rename_kind(old, new) for old, new in CONTENT_OF_KIND.items()),
            ],
        ),
        content_types.rename_content_type(("outbox", "letter"), ("outbox", "mailmessage")),
    ]
