"""The order in which the admin shows its pages: by what staff comes for, not by the app that keeps the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.urls import reverse

from loremotion.staff_pages import StaffPage

SECTIONS: Final[dict[str, tuple[str, ...]]] = {
    "Catalogue": ("catalog.model", "catalog.alias"),
    "Fleet": (),
    "Clips": (
        *("generation.generation", "notices.notice", "moderation.review", "sharing.share"),
        *("moderation.refusalcount", "moderation.policy", "moderation.planpolicy", "moderation.guard"),
    ),
    "Customers": ("accounts.workspace",),
    "Money": (
        *("billing.account", "billing.proposal", "billing.lot", "billing.hold"),
        *("shop.plan", "shop.pack", "shop.payment", "shop.subscription", "shop.order", "shop.budget"),
        *("shop.stripeevent", "shop.reconciliation"),
    ),
    "People": ("accounts.user", "auth.group", "accounts.ban"),
    "System": (
        "outbox.mailmessage",
        "webhooks.endpoint",
        "webhooks.delivery",
        "provider_keys.providerkey",
        "legal.legalpage",
    ),
}
"""Section → models, ``app.model``, after *Today*, which is the first page."""
SHOWN_BY: Final = {"catalog.model": "catalogue"}
"""Model → name of the page of ours that lists its rows: in the list of pages that one stands for both."""
REST: Final = "People"
"""The section of models that stand in none: ways to sign in, of the libraries that keep them."""

OF_LIBRARIES: Final = "Signing in"
"""Heading of those, below what stands in their section."""


def section_of(app_label: str, model_name: str) -> str:
    """Return the section in which the rows of a model stand."""
    name = f"{app_label}.{model_name}"
    return next((title for title, names in SECTIONS.items() if name in names), REST)


def arrange(apps: list[dict[str, Any]], pages: Sequence[StaffPage] = ()) -> list[dict[str, Any]]:
    """Return the admin's list of apps as sections, each shown as an app is, with ``pages`` first in theirs."""
    models = {f"{app['app_label']}.{model['object_name'].lower()}": model for app in apps for model in app["models"]}
    rows_at = {page: models.pop(name)["admin_url"] for name, page in SHOWN_BY.items() if name in models}
    found = {
        title: [
            *(_listed(page, rows_at.get(page.name)) for page in pages if page.title and page.section == title),
            *(models.pop(name) for name in names if name in models),
        ]
        for title, names in SECTIONS.items()
    }
    rest = sorted(models.values(), key=lambda model: str(model["name"]).lower())
    found[REST] += [{**model, "heading": "" if number else OF_LIBRARIES} for number, model in enumerate(rest)]
    return [_section(title, rows) for title, rows in found.items() if rows]


def mark_current(sections: list[dict[str, Any]], path: str, waiting: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return ``sections`` with the page and the section that ``path`` is in, and how much waits on each.

    ``waiting``: address of a page → how many things wait there for staff.
    """
    pages = [page for section in sections for page in section["models"]]
    # The longest: /admin/catalogue/ is in no other page, and /admin/catalogue/add/ would be in it.
    addresses = [(each, page) for page in pages for each in (page["admin_url"], page.get("rows_at")) if each]
    inside = ((len(each), page["admin_url"]) for each, page in addresses if path.startswith(each))
    here = max(inside, default=None)
    for page in pages:
        page["is_current"] = here is not None and page["admin_url"] == here[1]
        page["waiting"] = waiting.get(page["admin_url"] or "", 0)
    for section in sections:
        section["is_current"] = any(page["is_current"] for page in section["models"])
        section["waiting"] = sum(page["waiting"] for page in section["models"])
    return sections


def _listed(page: StaffPage, rows_at: str | None = None) -> dict[str, Any]:
    """A page as a model stands in Django's list. ``rows_at``: where the rows that it lists have pages of their own."""
    return {
        "name": page.title,
        "object_name": page.name,
        "admin_url": reverse(f"admin:{page.name}"),
        "add_url": None,
        "rows_at": rows_at,
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
