"""Nobody becomes more than they are through the admin: whose pages open for whom, and why that raises nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse
from django.urls.converters import IntConverter, UUIDConverter

from accounts.models import User
from tests.accounts.factories import browser_of, person

pytestmark = pytest.mark.django_db

BY_PERMISSION = {
    "accounts.user": "flags, groups and permissions are read only, and the rows of staff open for superusers alone",
    "accounts.workspace": "read only; acts are audited services, and nobody becomes a member by them",
    "accounts.ban": "keeps people out, lets nobody in",
    "billing.proposal": "money moves by two people's doing, which the database holds",
    "billing.account": "read only; adjusting has a day's limit",
    "billing.lot": "read only",
    "billing.hold": "read only",
    "shop.plan": "what is sold; says nothing of who somebody is",
    "shop.pack": "what is sold; says nothing of who somebody is",
    "shop.order": "read only",
    "shop.subscription": "read only",
    "shop.budget": "a workspace's own cap of credits",
    "shop.payment": "read only; refunds have a permission of their own",
    "shop.stripeevent": "read only, and a hint to be taken again",
    "shop.reconciliation": "read only",
    "catalog.model": "what is rendered; says nothing of who somebody is",
    "catalog.alias": "a name for a model",
    "generation.generation": "read only, and cancelling",
    "moderation.review": "says yes or no to a prompt; says nothing of who somebody is",
    "moderation.refusalcount": "read only",
    "moderation.policy": "how strictly prompts are judged; says nothing of who somebody is",
    "moderation.planpolicy": "how strictly prompts are judged; says nothing of who somebody is",
    "moderation.guard": "what a classifier's answers mean; where it answers, a setting says",
    "notices.notice": "takes clips off public links, with reasons; says nothing of who somebody is",
    "legal.legalpage": "words of two public pages",
    "sharing.share": "read only; shows and ends public links, audited",
    "outbox.mailmessage": "read only",
    "webhooks.delivery": "read only",
    "webhooks.endpoint": "read only, without its secret",
    "provider_keys.providerkey": "read only, without the key; removing it is audited",
}
FOR_SUPERUSERS = {
    "auth.group": "a group's permissions are those of everybody in it",
    "account.emailaddress": "a proved address receives the codes that sign in",
    "mfa.authenticator": "a second factor of one's own opens another's account",
    "socialaccount.socialapp": "a provider of one's own vouches for any address",
    "socialaccount.socialtoken": "tokens act at the provider in somebody's name",
    "socialaccount.socialaccount": "an account at a provider signs in here",
    "allauth_idp_oidc.client": "where an app is sent back to, with a code that stands for whoever connects it",
    "allauth_idp_oidc.token": "a token of one's own acts in the workspace that it names",
    "usersessions.usersession": "addresses and devices of everybody, and the keys of their sessions",
}


def models() -> dict[str, type[Model]]:
    return {model._meta.label_lower: model for model in admin.site._registry}


@pytest.fixture
def powerful() -> Client:
    """Staff that may do everything there is a permission for, and is no superuser."""
    user = person("powerful@example.org")
    User.objects.filter(id=user.id).update(is_staff=True)
    user.user_permissions.set(Permission.objects.all())
    return browser_of(User.objects.get(id=user.id))


@pytest.fixture
def powerless() -> Client:
    """Staff without any permission."""
    user = person("powerless@example.org")
    User.objects.filter(id=user.id).update(is_staff=True)
    return browser_of(User.objects.get(id=user.id))


def test_every_page_of_the_admin_has_a_reason_to_be_there() -> None:
    assert set(models()) == set(BY_PERMISSION) | set(FOR_SUPERUSERS)


def test_no_permission_opens_what_could_make_somebody_another(
    powerful: Client, admin_client: Client, subtests: pytest.Subtests
) -> None:
    menu = powerful.get("/admin/").text
    row = uuid4().int % 1000
    for label in FOR_SUPERUSERS:
        with subtests.test(label=label):
            address = f"/admin/{label.replace('.', '/')}/"
            assert admin_client.get(address).status_code == 200
            for page in ("", "add/", f"{row}/change/", f"{row}/delete/", f"{row}/history/"):
                assert powerful.get(address + page).status_code == 403, page
                assert powerful.post(address + page, {}).status_code == 403, page
            assert address not in menu


def test_an_address_of_ones_own_is_not_proved_for_the_superuser(powerful: Client) -> None:
    boss = person("boss@example.org", is_staff=True)
    said = {"user": str(boss.id), "email": "mine@example.org", "verified": "on"}
    assert powerful.post("/admin/account/emailaddress/add/", said).status_code == 403
    assert not EmailAddress.objects.filter(email="mine@example.org").exists()


def test_a_group_is_not_changed_from_inside(powerful: Client) -> None:
    group = Group.objects.create(name="helpers")
    said = {"name": "helpers", "permissions": [str(Permission.objects.all()[0].pk)]}
    assert powerful.post(f"/admin/auth/group/{group.pk}/change/", said).status_code == 403
    assert not group.permissions.exists()


def addresses(patterns: list[Any], before: str = "/admin/") -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, before + _filled(pattern))
        elif pattern.name not in OPEN:
            yield before + _filled(pattern)


OPEN = {"index", "login", "logout", "password_change", "password_change_done", "jsi18n", "app_list", "autocomplete"}
"""What a member of staff sees of the admin before they may do anything: an empty list, their own password, and a lookup
that asks the page of whatever is looked up."""


def _filled(pattern: URLPattern | URLResolver) -> str:
    route = str(pattern.pattern)
    for name, converter in pattern.pattern.converters.items():
        filling = str(uuid4()) if isinstance(converter, UUIDConverter) else "0"
        kind = {UUIDConverter: "uuid", IntConverter: "int"}.get(type(converter))
        for spelled in (f"<{kind}:{name}>", f"<path:{name}>", f"<str:{name}>"):
            route = route.replace(spelled, filling)
    return "nowhere/" if route.startswith(("^", "(")) else route


def test_staff_without_permissions_sees_nothing(powerless: Client) -> None:
    for address in addresses(admin.site.get_urls()):
        for answer in (powerless.get(address), powerless.post(address, {})):
            # What is not there, and a method that is not taken, say nothing either.
            is_shut = answer.status_code in (403, 404, 405) or answer.headers.get("Location", "").startswith("/admin/")
            assert is_shut, (address, answer.status_code)
    assert "/admin/accounts/" not in powerless.get(reverse("admin:index")).text


WITHOUT_PAGES = """
import os
import sys
from importlib import import_module
import django
from django.conf import settings
from django.core import checks
django.setup()
ours = ("accounts", "billing", "catalog", "generation", "loremotion.outbox")
def imported():
    return [name for name in sys.modules if name.startswith(ours) and name.endswith(".admin")]
assert not imported(), imported()
jobs = [name.rpartition(".")[0] for name in settings.QUEUE_JOBS.values()]
for module in (*jobs, "generation.management.commands.housekeeping"):
    if os.fork() == 0:
        import_module(module)
        os._exit(0)
    assert os.wait()[1] == 0, module
checks.run_checks(tags=[checks.Tags.admin])
assert len(imported()) > 5, imported()
"""
"""What each process without pages begins with is imported first of all, each in a copy: no circle of imports shows only
there."""


def test_a_process_without_pages_imports_nothing_of_the_admin_and_a_check_looks_at_all_of_it() -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "loremotion.settings"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PAGES],
        cwd=Path(__file__).parents[1],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
