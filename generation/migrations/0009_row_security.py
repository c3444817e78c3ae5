"""The wall around requests and clips. A clip is whose its request is."""

from typing import ClassVar

from django.db import migrations
from django.db.migrations.operations.base import Operation

from loremotion.row_security import policies

OWN_REQUEST = "EXISTS (SELECT FROM generation_generation mine WHERE mine.id = generation_id)"


class Migration(migrations.Migration):
    dependencies = [("generation", "0008_uploads_and_needs"), ("accounts", "0004_row_security")]
    operations: ClassVar[list[Operation]] = [
        policies.rows_of_workspace("generation_generation"),
        policies.rows_where("generation_clip", OWN_REQUEST),
        policies.rows_where("generation_upload", OWN_REQUEST),
    ]
