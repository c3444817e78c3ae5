"""Support decides reports, wherever the roles were made before there were any."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def let_support_decide_reports(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Give the role what it lacks. A group of the same name that is a site's own, and reviews no prompts, stays as it is."""
    Permission = apps.get_model("auth", "Permission")
    group = (
        apps.get_model("auth", "Group")
        .objects.filter(
            name="Support", permissions__codename="change_review", permissions__content_type__app_label="moderation"
        )
        .first()
    )
    if group is None:
        return
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label="notices", model="notice")
    for action in ("view", "change"):
        # Django makes permissions only once every migration has run, and leaves those that are there.
        permission, _ = Permission.objects.get_or_create(
            content_type=kind, codename=f"{action}_notice", defaults={"name": f"Can {action} report"}
        )
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0012_customer_search")]

    operations = [migrations.RunPython(let_support_decide_reports, migrations.RunPython.noop)]
