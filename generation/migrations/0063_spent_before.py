"""What was spent before it was added up as it changes: counted account by account, while the site goes on."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

AT_ONCE = 200
"""Accounts that one transaction counts."""
COUNT = """
    SELECT max(id::text COLLATE "C"), sum(generation_recount_spent(id))
    FROM (
        SELECT id FROM ledger_account WHERE %(last)s::uuid IS NULL OR id > %(last)s::uuid ORDER BY id LIMIT %(limit)s
    ) AS batch
"""


def count(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Count every account. One that was counted already has nothing left, so whoever was stopped begins again."""
    last = None
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute(COUNT, {"last": last, "limit": AT_ONCE})
            last, _ = cursor.fetchone()
            if last is None:
                return


class Migration(migrations.Migration):
    atomic = False  # an account at a time, and each sees what the others have committed
    dependencies = [("generation", "0062_spent_by_clips")]

    operations = [migrations.RunPython(count, migrations.RunPython.noop)]
