"""The wall around webhooks: a delivery is whose its endpoint is, a letter whose its workspace is."""

from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation

from loremotion.row_security import policies

OWN_ENDPOINT = f"endpoint_id IN (SELECT id FROM outbox_endpoint WHERE workspace_id = {policies.MINE})"  # noqa: S608 - no input

OWN_REQUEST = "EXISTS (SELECT FROM generation_generation mine WHERE mine.id = generation_id)"


class Migration(migrations.Migration):
    dependencies = [("outbox", "0002_wishes"), ("generation", "0009_row_security"), ("accounts", "0004_row_security")]
    operations: ClassVar[list[Operation]] = [
        policies.rows_of_workspace("outbox_endpoint"),
        policies.rows_of_workspace("outbox_letter"),
        policies.rows_where("outbox_delivery", OWN_ENDPOINT),
        policies.rows_where("outbox_wish", OWN_REQUEST),
    ]
