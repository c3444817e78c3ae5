"""The order in which the admin shows its pages: by what staff comes for, not by the app that keeps the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.urls import reverse

from loremotion.staff_pages import StaffPage

SECTIONS: Final[dict[str, tuple[str, ...]]] = {
    "Catalogue": ("catalog.model", "catalog.alias"),
    "Fleet": (),
    "Clips": ("generation.generation",),
    "Trust": (
        *("notices.notice", "moderation.review", "moderation.refusalcount"),
        *("moderation.policy", "moderation.planpolicy", "moderation.guard"),
        *("sharing.share", "accounts.ban", "legal.legalpage"),
    ),
    "Customers": ("accounts.workspace",),
    "Money": (
        *("billing.account", "billing.proposal", "billing.lot", "billing.hold"),
        *("shop.plan", "shop.pack", "shop.payment", "shop.subscription", "shop.order", "shop.budget"),
        *("shop.stripeevent", "shop.reconciliation"),
    ),
    "People": ("accounts.user", "auth.group", "accounts.auditentry"),
    "System": ("outbox.mailmessage", "webhooks.endpoint", "webhooks.delivery"),
}
"""Section → models, ``app.model``. What stands in none of them comes last, under *Sign-in*."""
REST: Final = "Sign-in"


def section_of(app_label: str, model_name: str) -> str:
    """Return the section in which the rows of a model stand."""
    name = f"{app_label}.{model_name}"
    return next((title for title, names in SECTIONS.items() if name in names), REST)


def arranged(apps: list[dict[str, Any]], pages: Sequence[StaffPage] = ()) -> list[dict[str, Any]]:
    """Return the admin's list of apps as sections, each shown as an app is, with ``pages`` first in theirs."""
    models = {f"{app['app_label']}.{model['object_name'].lower()}": model for app in apps for model in app["models"]}
    placed = [
        (title, [_listed(page) for page in pages if page.title and page.section == title], names)
        for title, names in SECTIONS.items()
    ]
    found = [(title, [*own, *(models.pop(name) for name in names if name in models)]) for title, own, names in placed]
    found.append((REST, list(models.values())))
    return [_section(title, rows) for title, rows in found if rows]


def _listed(page: StaffPage) -> dict[str, Any]:
    """A page as a model stands in Django's list."""
    return {
        "name": page.title,
        "object_name": page.name,
        "admin_url": reverse(f"admin:{page.name}"),
        "add_url": None,
        "view_only": True,
        "perms": {"view": True},
    }


def _section(title: str, models: list[dict[str, Any]]) -> dict[str, Any]:
    label = title.lower().replace(" ", "-")
    return {
        "name": title,
        "app_label": label,
        "app_url": models[0]["admin_url"] or "",
        "has_module_perms": True,
        "models": models,
    }
