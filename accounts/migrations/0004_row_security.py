"""The role that requests run as, and the wall around what accounts keeps."""

from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation

from loremotion.row_security import policies, role


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_private_clips")]
    operations: ClassVar[list[Operation]] = [
        migrations.RunPython(role.prepare_in_migration, role.withdraw_in_migration),
        policies.workspace_function(),
        policies.rows_of_workspace("accounts_workspace", "id"),
        policies.rows_of_workspace("accounts_membership"),
        policies.rows_of_workspace("accounts_visitor"),
        policies.rows_of_nobody("accounts_ban"),
        policies.rows_of_workspace("accounts_invitation"),
        policies.rows_of_workspace("accounts_apikey"),
        policies.rows_of_workspace("accounts_auditentry"),
    ]
