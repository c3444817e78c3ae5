"""The admin calls a request a clip, and says of the permission to retry what it allows."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

LABEL = "Can have clips that hang made by another attempt"


def relabel(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Django names a permission when it makes it, and never again."""
    permissions = apps.get_model("auth", "Permission").objects
    permissions.filter(codename="retry_generation", content_type__app_label="generation").update(name=LABEL)


class Migration(migrations.Migration):
    dependencies = [("generation", "0043_signed_clips_index"), ("auth", "0012_alter_user_first_name_max_length")]

    operations = [
        migrations.AlterModelOptions(
            "generation",
            options={
                "verbose_name": "clip",
                "permissions": [
                    ("cancel_generation", "Can cancel clips"),
                    ("retry_generation", LABEL),
                ],
            },
        ),
        migrations.RunPython(relabel, migrations.RunPython.noop),
    ]
