"""The roles of the staff, as groups: see accounts.staff_roles."""

from typing import Any

from django.apps import apps as installed
from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from accounts.staff_roles import PERMISSIONS


def make_groups(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Make the groups that are not there. One that a site has by the same name stays as it is."""
    Group = apps.get_model("auth", "Group")
    for role, labels in PERMISSIONS.items():
        group, is_new = Group.objects.get_or_create(name=role)
        if is_new:
            group.permissions.set([_permission(apps, label) for label in sorted(labels)])


def _permission(apps: Apps, label: str) -> Any:
    """Django makes permissions only once every migration has run, and leaves those that are there."""
    app, _, codename = label.partition(".")
    meta, name = _owner(app, codename)
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label=app, model=meta.model_name)
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=codename, defaults={"name": name}
    )
    return permission


def _owner(app: str, codename: str) -> tuple[Any, str]:
    """Return the options of the model that has the permission, and what it is called."""
    for model in installed.get_app_config(app).get_models():
        meta: Any = model._meta
        called = {
            f"{action}_{meta.model_name}": f"Can {action} {meta.verbose_name_raw}"
            for action in meta.default_permissions
        }
        called |= dict(meta.permissions)
        if codename in called:
            return meta, called[codename]
    raise LookupError(f"No model of {app} has a permission {codename}")


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_staff_permissions"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
