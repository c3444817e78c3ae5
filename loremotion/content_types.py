"""A migration operation for a model that another app takes over, or that another name is given to."""

from __future__ import annotations

from django.apps.registry import Apps
from django.db.migrations import RunPython

DEPENDENCIES = [("contenttypes", "0002_remove_content_type_name"), ("auth", "0012_alter_user_first_name_max_length")]
"""Of a migration that runs ``moved``."""
VERBS = ("add", "change", "delete", "view")


def rename_content_type(old: tuple[str, str], new: tuple[str, str]) -> RunPython:
    """Give the content type of ``old`` (app, model) and its permissions the name of ``new``.

    Whoever held them still does, and the admin's log goes on.
    """
    return RunPython(lambda apps, _: _rename(apps, old, new), lambda apps, _: _rename(apps, new, old))


def _rename(apps: Apps, old: tuple[str, str], new: tuple[str, str]) -> None:
    content_types = apps.get_model("contenttypes", "ContentType").objects
    permissions = apps.get_model("auth", "Permission").objects
    known = content_types.filter(app_label=old[0], model=old[1]).first()
    if known is None:  # an empty database: Django makes it after the last migration
        return
    content_types.filter(app_label=new[0], model=new[1]).delete()
    for verb in VERBS:
        permissions.filter(content_type=known, codename=f"{verb}_{old[1]}").update(codename=f"{verb}_{new[1]}")
    content_types.filter(id=known.id).update(app_label=new[0], model=new[1])
