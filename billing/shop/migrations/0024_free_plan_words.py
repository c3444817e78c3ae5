"""The free plan says "free", where staff has not given it words of their own."""

from typing import Any

from django.db import migrations

BEFORE, NOW = "A few clips every day, for nothing.", "A few clips every day, free."


def reword(apps: Any, schema_editor: Any) -> None:
    apps.get_model("shop", "Plan").objects.filter(summary=BEFORE).update(summary=NOW)


class Migration(migrations.Migration):
    dependencies = [("shop", "0023_state_in_words")]
    operations = [migrations.RunPython(reword, migrations.RunPython.noop)]
