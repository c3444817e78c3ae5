"""What is sent for a request gets a row, and a request says how large a GPU it needs.

Files that are there already are found in the requests they belong to; of those that made no clip they may go.
"""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models

FIND = """
INSERT INTO generation_upload (key, generation_id, expires_at)
SELECT sent.value, request.id, CASE WHEN request.state IN ('failed', 'cancelled', 'blocked') THEN now() END
FROM generation_generation request, jsonb_each_text(request.inputs) sent
WHERE sent.value LIKE 'inputs/%'
ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("generation", "0007_watermark")]

    operations = [
        migrations.AddField("generation", "needs_bytes", models.BigIntegerField(null=True)),
        migrations.CreateModel(
            name="Upload",
            fields=[
                ("key", models.CharField(max_length=200, primary_key=True, serialize=False)),
                ("expires_at", models.DateTimeField(db_index=True, null=True)),
                (
                    "generation",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="uploads",
                        to="generation.generation",
                    ),
                ),
            ],
        ),
        migrations.RunSQL(FIND, reverse_sql=migrations.RunSQL.noop),
    ]
