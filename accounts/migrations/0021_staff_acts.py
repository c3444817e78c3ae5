"""Every role of the staff reads what was done on its own pages; whoever read all of the log before reads it as before."""

from typing import Any

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Q

OWN = {"Operations": ("generation", "operate_fleet"), "Catalogue": ("catalog", "change_model")}
"""Role → what a group of the name can do that is the role's: one without it is a site's own, and stays as it is."""


def let_staff_see_its_acts(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    Group, User = apps.get_model("auth", "Group"), apps.get_model("accounts", "User")
    seen = _permission(apps)
    readers = {"permissions__content_type__app_label": "accounts", "permissions__codename": "view_auditentry"}
    roles = Q(**readers)
    for name, (app, codename) in OWN.items():
        roles |= Q(name=name, permissions__content_type__app_label=app, permissions__codename=codename)
    for group in Group.objects.filter(roles).distinct():
        group.permissions.add(seen)
    for user in User.objects.filter(**{f"user_{name}": value for name, value in readers.items()}).distinct():
        user.user_permissions.add(seen)


def _permission(apps: Apps) -> Any:
    """Django makes permissions only once every migration has run, and leaves those that are there."""
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="accounts", model="auditentry"
    )
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind,
        codename="view_staff_acts",
        defaults={"name": "Can see what staff did on the pages that they may open"},
    )
    return permission


class Migration(migrations.Migration):
    dependencies = [("accounts", "0020_audit_log_of_staff")]

    operations = [
        migrations.AlterModelOptions(
            name="auditentry",
            options={
                "permissions": [("view_staff_acts", "Can see what staff did on the pages that they may open")],
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit entries",
            },
        ),
        migrations.RunPython(let_staff_see_its_acts, migrations.RunPython.noop),
    ]
