"""Support and Operations see which workspaces brought keys for remote models; Support may remove one."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

MAY = {"Support": ("view", "remove"), "Operations": ("view",)}
NAMES = {"view": "Can view provider key", "remove": "Can remove keys that workspaces brought"}
MADE_BY = {"Support": ("accounts", "look_into_workspace"), "Operations": ("generation", "operate_fleet")}
"""What a group may that the roles' own migration made. Another of the same name is a site's own, and stays as it is."""


def let_them_see(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    Permission = apps.get_model("auth", "Permission")
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="provider_keys", model="providerkey"
    )
    for role, actions in MAY.items():
        app, codename = MADE_BY[role]
        groups = apps.get_model("auth", "Group").objects.filter(
            name=role, permissions__codename=codename, permissions__content_type__app_label=app
        )
        if (group := groups.first()) is None:
            continue
        for action in actions:
            # Django makes permissions only once every migration has run, and leaves those that are there.
            permission, _ = Permission.objects.get_or_create(
                content_type=kind, codename=f"{action}_providerkey", defaults={"name": NAMES[action]}
            )
            group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0023_readers_language"), ("contenttypes", "0002_remove_content_type_name")]

    operations = [migrations.RunPython(let_them_see, migrations.RunPython.noop)]
