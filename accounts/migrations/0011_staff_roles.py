"""The roles of the staff, as groups, as they were when this was written. What came later has migrations of its own."""

from typing import Any

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

CUSTOMERS = (
    *("accounts.workspace view", "accounts.user view", "accounts.auditentry view"),
    *("billing.account view adjust_credits", "billing.lot view", "billing.hold view", "billing.proposal view"),
    *("shop.payment view", "shop.subscription view", "shop.order view", "shop.budget view"),
    *("shop.plan view", "shop.pack view", "shop.price view"),
)
CLIPS = ("generation.generation view", "catalog.model view", "catalog.alias view", "generation.fleetsample view_fleet")
ROLES = {
    "Support": (
        *CUSTOMERS,
        *CLIPS,
        *("accounts.workspace look_into_workspace suspend_workspace", "accounts.ban view add change"),
        "generation.generation cancel_generation retry_generation",
        *("moderation.review view change", "sharing.share view change", "moderation.policy view add change"),
        *(
            "moderation.refusalcount view",
            "outbox.mailmessage view",
            "webhooks.endpoint view",
            "webhooks.delivery view",
        ),
    ),
    "Finance": (
        *CUSTOMERS,
        *("billing.proposal decide_proposal", "shop.payment refund_payment view_revenue"),
        *("shop.plan add change", "shop.pack add change", "shop.price add change"),
        *("shop.stripeevent view change", "shop.reconciliation view"),
    ),
    "Operations": (
        *CLIPS,
        "generation.fleetsample operate_fleet view_system",
        "generation.generation cancel_generation retry_generation",
        *("shop.stripeevent view change", "outbox.mailmessage view retry_mailmessage"),
        *("webhooks.endpoint view", "webhooks.delivery view retry_delivery"),
    ),
    "Catalogue": (
        *CLIPS,
        *("catalog.model add change", "catalog.alias add change delete", "sharing.share view change"),
    ),
}
"""Role → models, each with Django's own actions on it and permissions of its own."""
NAMES = {
    "look_into_workspace": "Can look into a workspace, read only",
    "suspend_workspace": "Can suspend workspaces and lift the suspension",
    "adjust_credits": "Can grant and adjust credits",
    "decide_proposal": "Can approve and refuse what others propose to do to credits",
    "cancel_generation": "Can cancel clips",
    "retry_generation": "Can have failed clips made again",
    "view_fleet": "Can see GPU workers and the queue",
    "operate_fleet": "Can drain, resume, load, evict and stop GPU workers",
    "view_system": "Can see processes, queues and what could not be sent",
    "retry_mailmessage": "Can have mail sent that could not be",
    "retry_delivery": "Can have webhook events sent that could not be",
    "refund_payment": "Can refund payments",
    "view_revenue": "Can see revenue and what is owed for unspent credits",
}
VERBOSE = {
    "auditentry": "audit entry",
    "refusalcount": "refusal count",
    "mailmessage": "mail message",
    "stripeevent": "Stripe event",
}


def make_groups(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Make the groups that are not there. One that a site has by the same name stays as it is."""
    Group = apps.get_model("auth", "Group")
    for role, grants in ROLES.items():
        group, is_new = Group.objects.get_or_create(name=role)
        if is_new:
            group.permissions.set([each for grant in grants for each in _permissions(apps, grant)])


def _permissions(apps: Apps, grant: str) -> list[Any]:
    """Django makes permissions only once every migration has run, and leaves those that are there."""
    label, *actions = grant.split()
    app, _, model = label.partition(".")
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label=app, model=model)
    found = []
    for action in actions:
        codename = action if action in NAMES else f"{action}_{model}"
        name = NAMES.get(action, f"Can {action} {VERBOSE.get(model, model)}")
        permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
            content_type=kind, codename=codename, defaults={"name": name}
        )
        found.append(permission)
    return found


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_staff_permissions"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
