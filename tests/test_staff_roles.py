"""What each role of the staff opens in the admin, page by page and action by action, and that nothing else opens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.contrib.messages.storage.cookie import CookieStorage
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404, HttpRequest
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, resolve

from accounts import staff_roles
from accounts.models import User
from accounts.staff_roles import PERMISSIONS
from loremotion import staff_pages
from loremotion.staff_pages import StaffPage
from tests.accounts.factories import browser_of, person
from tests.test_staff_site import FOR_SUPERUSERS, _filled

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent

STANDARD = {"changelist", "add", "change", "delete", "history", "password_change"}
OF_MODELS = {
    "auth_user_password_change": "accounts.change_user",
    "billing_account_write_off": "billing.adjust_credits",
    "billing_proposal_decide": "billing.decide_proposal",
    "catalog_model_versions": "catalog.view_model",
    "catalog_model_restore": "catalog.change_model",
    "catalog_model_canary": "catalog.change_model",
    "moderation_review_decide": "moderation.change_review",
    "moderation_review_poster": "moderation.change_review",
    "notices_notice_decide": "notices.change_notice",
    "notices_notice_poster": "notices.change_notice",
    "notices_notice_clip": "notices.change_notice",
    "shop_liability": "shop.view_revenue",
    "shop_refund": "shop.refund_payment",
}
"""Pages beside Django's five of a model → the permission that opens them. A new one is written down here."""
OF_NO_MODEL = {
    "catalogue": "catalog.view_model",
    "catalogue_add": "catalog.add_model",
    "make_default": "catalog.change_alias",
    "enable_model": "catalog.change_model",
    "disable_model": "catalog.change_model",
    "suggest_prices": "catalog.change_model",
    "generation_fleet": "generation.view_fleet",
    "fleet_drain": "generation.operate_fleet",
    "fleet_resume": "generation.operate_fleet",
    "fleet_preload": "generation.operate_fleet",
    "fleet_evict": "generation.operate_fleet",
    "fleet_stop": "generation.operate_fleet",
    "clip_poster": "generation.view_generation",
    "clip_retry": "generation.retry_generation",
    "clip_cancel": "generation.cancel_generation",
    "customers": "accounts.view_workspace",
    "customer": "accounts.view_workspace",
    "customer_key": "accounts.view_auditentry",
    "customer_key_origins": "accounts.suspend_workspace",
    "customer_key_revoke": "accounts.suspend_workspace",
    "customer_credits": "billing.adjust_credits",
    "customer_preview": "billing.adjust_credits",
    "customer_look": "accounts.look_into_workspace",
    "customer_suspend": "accounts.suspend_workspace",
    "customer_unsuspend": "accounts.suspend_workspace",
    "audit_log": "accounts.view_staff_acts",
    "audit_export": "accounts.view_staff_acts",
    "money": "shop.view_revenue",
    "money_export": "shop.view_revenue",
    "system": "generation.view_system",
    "health": "generation.view_system",
}
"""Pages and buttons of ``settings.STAFF_PAGES`` → the permission that opens them. A new one is written down here."""
OF_DJANGO = {
    *("index", "login", "logout", "password_change", "password_change_done", "autocomplete", "jsi18n"),
    *("view_on_site", "app_list"),
}
"""What any member of staff reaches of the site itself; see test_staff_site."""
OF_TRIALS = {"trial", "trial-start", "trial-clip", "trial-poster"}
"""Addresses under /admin/ that are no page of the admin's site: see tests/generation/test_trials.py."""
ACTIONS = {
    ("accounts.workspace", "look_into"): "accounts.look_into_workspace",
    ("accounts.workspace", "suspend_selected"): "accounts.suspend_workspace",
    ("accounts.workspace", "unsuspend_selected"): "accounts.suspend_workspace",
    ("accounts.workspace", "ban_visitor"): "accounts.add_ban",
    ("accounts.ban", "lift_selected"): "accounts.change_ban",
    ("generation.generation", "cancel_selected"): "generation.cancel_generation",
    ("generation.generation", "retry_selected"): "generation.retry_generation",
    ("outbox.mailmessage", "retry_selected"): "outbox.retry_mailmessage",
    ("sharing.share", "feature"): "sharing.change_share",
    ("sharing.share", "withdraw"): "sharing.change_share",
    ("sharing.share", "revoke"): "sharing.change_share",
    ("shop.stripeevent", "replay"): "shop.change_stripeevent",
    ("webhooks.delivery", "retry_selected"): "webhooks.retry_delivery",
    ("provider_keys.providerkey", "remove"): "provider_keys.remove_providerkey",
}
"""Actions on chosen rows → the permission of each. A new one is written down here."""


def member_of(role: str) -> User:
    user = person(f"{role.lower()}@example.org")
    User.objects.filter(id=user.id).update(is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return User.objects.get(id=user.id)


@pytest.fixture(params=PERMISSIONS)
def role(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def user(role: str) -> User:
    return member_of(role)


def request_of(user: User, method: str = "GET") -> HttpRequest:
    """As the admin gets it, past the middleware."""
    request: Any = RequestFactory().generic(method, "/")
    request.user = user
    request._dont_enforce_csrf_checks = True
    request._messages = CookieStorage(request)
    return cast(HttpRequest, request)


def opens(address: str, user: User) -> bool:
    """Whether the page or action is not refused. What it looks up may not be there."""
    found = resolve(address)
    try:
        found.func(request_of(user, "POST"), *found.args, **found.kwargs)
    except PermissionDenied:
        return False
    except Http404:
        return True
    return True


def pages() -> Iterator[tuple[str, str]]:
    """Address and permission of every page beside Django's own of each model."""
    for page in staff_pages.pages():
        yield address_of(page), page.permission
    for label, model_admin in ours():
        for pattern in model_admin.get_urls():
            if isinstance(pattern, URLPattern) and pattern.name in OF_MODELS:
                yield f"/admin/{label.replace('.', '/')}/{_filled(pattern)}", OF_MODELS[pattern.name]


def address_of(page: StaffPage) -> str:
    """Of a row that is not there, where it is about one."""
    return f"/admin/{re.sub('<uuid:.*?>', str(uuid4()), re.sub('<int:.*?>', '0', page.route))}"


def ours() -> Iterator[tuple[str, admin.ModelAdmin[Any]]]:
    for model, model_admin in admin.site._registry.items():
        if model._meta.label_lower not in FOR_SUPERUSERS:
            yield model._meta.label_lower, model_admin


def test_the_groups_hold_what_the_table_says() -> None:
    held = {
        group.name: {f"{each.content_type.app_label}.{each.codename}" for each in group.permissions.all()}
        for group in Group.objects.prefetch_related("permissions__content_type")
    }
    assert held == PERMISSIONS


def test_a_site_whose_roles_were_made_before_reports_lets_support_decide_them() -> None:
    support = Group.objects.get(name="Support")
    support.permissions.set(support.permissions.exclude(content_type__app_label="notices"))
    migration = import_module("accounts.migrations.0013_support_decides_reports")
    migration.let_support_decide_reports(apps, connection.schema_editor())
    test_the_groups_hold_what_the_table_says()


def test_a_group_of_a_sites_own_called_support_stays_as_it_is() -> None:
    support = Group.objects.get(name="Support")
    support.permissions.set(Permission.objects.filter(codename="view_workspace"))
    migration = import_module("accounts.migrations.0013_support_decides_reports")
    migration.let_support_decide_reports(apps, connection.schema_editor())
    assert [each.codename for each in support.permissions.all()] == ["view_workspace"]


def test_a_site_of_before_lets_each_role_read_what_was_done_on_its_pages() -> None:
    """And whoever read the log without being in a role. A group of a site's own, called as a role, stays as it is."""
    seen = Permission.objects.get(codename="view_staff_acts")
    for group in Group.objects.all():
        group.permissions.remove(seen)
    own = Group.objects.get(name="Catalogue")
    own.permissions.set(Permission.objects.filter(codename="view_workspace"))
    reader = person("reader@example.org")
    reader.user_permissions.add(Permission.objects.get(codename="view_auditentry"))
    migration = import_module("accounts.migrations.0021_staff_acts")
    migration.let_staff_see_its_acts(apps, connection.schema_editor())
    assert {group.name for group in seen.group_set.all()} == {"Support", "Finance", "Operations"}
    assert [user.email for user in seen.user_set.all()] == ["reader@example.org"]
    own.permissions.add(Permission.objects.get(codename="change_model", content_type__app_label="catalog"))
    migration.let_staff_see_its_acts(apps, connection.schema_editor())
    assert seen in own.permissions.all()


def test_no_migration_of_roles_reads_the_table_of_today() -> None:
    migrations = (ROOT / "accounts" / "migrations").glob("*.py")
    assert [path.name for path in migrations if "accounts.staff_roles" in path.read_text()] == []


def test_the_docs_say_what_the_table_says() -> None:
    from tests.accounts.test_roles import DOCS

    assert staff_roles.as_markdown() in DOCS.read_text(), "Paste accounts.staff_roles.as_markdown() into docs/roles.md."


def test_each_role_is_explained() -> None:
    assert set(staff_roles.MEANING) == set(PERMISSIONS)


def test_nothing_else_can_be_opened_or_done_than_is_written_down() -> None:
    names, actions = set(), set()
    for label, model_admin in ours():
        own = {f"{label.replace('.', '_')}_{each}" for each in STANDARD}
        patterns = [each for each in model_admin.get_urls() if isinstance(each, URLPattern)]
        names |= {each.name for each in patterns if each.name and each.name not in own}
        actions |= {(label, name) for name in model_admin.actions or ()}
    assert names == set(OF_MODELS)
    assert actions == set(ACTIONS)


def test_no_page_is_registered_that_this_test_does_not_know() -> None:
    assert {page.name: page.permission for page in staff_pages.pages()} == OF_NO_MODEL
    of_models = {
        str(each.name) for _, model_admin in admin.site._registry.items() for each in _patterns(model_admin.urls)
    }
    own = {str(each.name) for each in _patterns(admin.site.get_urls())} - of_models
    assert own - {"None"} == {*OF_NO_MODEL, *OF_DJANGO}
    elsewhere = {str(each.name) for route, each in _every(get_resolver().url_patterns) if route.startswith("admin/")}
    assert elsewhere - own - of_models == OF_TRIALS


def test_no_page_goes_without_a_name() -> None:
    """By which the other tests know it. Django's own two lead to a form, and to the page of what is not there."""
    for label, model_admin in ours():
        unnamed = [str(each.pattern) for each in _patterns(model_admin.get_urls()) if not each.name]
        assert unnamed == ["<path:object_id>/"], label


def test_whoever_may_do_everything_is_offered_the_actions_that_are_written_down(admin_user: User) -> None:
    """However they came there: from a list of the page, of the whole site, or made for the request."""
    request = request_of(admin_user)
    offered = {(label, name) for label, model_admin in ours() for name in model_admin.get_actions(request)}
    assert {each for each in offered if each[1] != "delete_selected"} == set(ACTIONS)


def _patterns(patterns: list[Any]) -> list[URLPattern]:
    return [each for _, each in _every(patterns)]


def _every(patterns: list[Any], before: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _every(pattern.url_patterns, route)
        else:
            yield route, pattern


def test_a_page_or_an_action_opens_by_its_permission_alone(role: str, user: User) -> None:
    for address, permission in pages():
        assert opens(address, user) == (permission in PERMISSIONS[role]), (address, permission)


def test_rows_are_seen_and_edited_by_whoever_has_the_permission(role: str, user: User) -> None:
    request = request_of(user)
    for label, model_admin in ours():
        app, _, name = label.partition(".")
        may = {
            action for action in ("view", "add", "change", "delete") if f"{app}.{action}_{name}" in PERMISSIONS[role]
        }
        assert model_admin.has_view_permission(request) == bool(may & {"view", "change"}), label
        assert may >= {"add"} or not model_admin.has_add_permission(request), label
        assert may >= {"change"} or not model_admin.has_change_permission(request), label
        assert may >= {"delete"} or not model_admin.has_delete_permission(request, model_admin.model()), label


def test_rows_are_acted_on_by_whoever_has_the_permission_of_the_action(role: str, user: User) -> None:
    request = request_of(user)
    for label, model_admin in ours():
        own = {name: permission for (of, name), permission in ACTIONS.items() if of == label}
        may = {name for name, permission in own.items() if permission in PERMISSIONS[role]}
        assert set(model_admin.get_actions(request)) == may, label


def test_who_is_in_a_role_finds_its_pages_on_the_first_one() -> None:
    sections = browser_of(member_of("Operations")).get("/admin/").context["app_list"]
    assert [each["name"] for each in sections] == [
        "Catalogue",
        "Fleet",
        "Clips",
        "Money",
        "People",
        "System",
    ]


def test_an_action_takes_no_reading_request(admin_user: User) -> None:
    actions = [page for page in staff_pages.pages() if page.is_action]
    assert actions
    for page in actions:
        found = resolve(address_of(page))
        assert found.func(request_of(admin_user), **found.kwargs).status_code == 405, page.name


def test_no_role_may_give_itself_rights() -> None:
    every = frozenset().union(*PERMISSIONS.values())
    assert {label for label in every if label.split(".")[0] in ("auth", "mfa", "account", "usersessions")} == set()
    assert "accounts.change_user" not in every
    known = {
        f"{each.content_type.app_label}.{each.codename}" for each in Permission.objects.select_related("content_type")
    }
    assert every <= known
