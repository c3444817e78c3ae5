"""Whatever staff does leaves a note of who did it and to what: in the admin's own log, or in a workspace's audit log.

Each act that the registry offers to whoever may do everything is done here once. One that is new is written down here,
or in ``staff_acts``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import redis
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import OperationalError
from django.test import Client

from accounts import erasure
from accounts.models import AuditEntry, Ban, User
from billing.shop.models import Plan
from catalog.models import Alias, Model, ModelVersion
from loremotion import staff_pages
from loremotion.outbox import mail
from loremotion.outbox.mail import Content
from loremotion.refusals import Conflict
from tests.accounts import factories as people
from tests.catalog.form_post import post_of
from tests.staff_acts import ACTS, Act, World, act
from tests.test_staff_roles import ACTIONS, OF_MODELS, OF_NO_MODEL, OF_TRIALS, request_of
from tests.test_staff_site import FOR_SUPERUSERS

pytestmark = pytest.mark.django_db

READS = {
    *("billing_account", "catalog_model_versions", "shop_liability"),
    *("moderation_review_poster", "notices_notice_poster", "notices_notice_clip", "clip_poster"),
    *("trial", "trial-clip", "trial-poster"),
    *("catalogue", "catalogue_add", "generation_fleet", "customers", "customer", "customer_key"),
    *("money", "money_export", "system", "health", "audit_log", "audit_export"),
}
"""Pages that change nothing. Of those the ones that show somebody's clip leave a note too: test_notices.py."""
ELSEWHERE = {
    "shop_refund",  # shop/test_admin.py, with an imitation of Stripe
    "customer_preview",  # generation/test_customers_page.py: what it does is undone before it answers
    "accounts.workspace ban_visitor",  # leads to the form of a ban
}
"""What is not done here, and why."""


# --- rows that are written by hand -----------------------------------------------------------------------------------

ROWS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "auth.group": ({"name": "Night shift"}, {"name": "Day shift"}),
    "shop.plan": ({"name": "Large", "slug": "large", "monthly_credits": "900"}, {"monthly_credits": "901"}),
    "shop.pack": ({"name": "Heap", "slug": "heap", "credits": "900"}, {"credits": "901"}),
    "catalog.alias": ({"name": "quick"}, {}),
    "moderation.policy": ({"strictness": "relaxed", "reason": "An art school."}, {"reason": "A school of art."}),
    "moderation.planpolicy": ({"strictness": "relaxed"}, {"strictness": "standard"}),
    "legal.legalpage": ({"slug": "terms", "text": "Be kind."}, {"text": "Be kinder."}),
    "account.emailaddress": ({"email": "more@example.org", "verified": "on"}, {"email": "less@example.org"}),
}
"""What is typed into the form of a new row, and then into the form of that row."""


def references(label: str, world: World) -> dict[str, Any]:
    """What the form of a new row asks for besides, of what there is."""
    every: dict[str, dict[str, Any]] = {
        "catalog.alias": {"model": world.toy.pk},
        "moderation.policy": {"workspace": world.workspace.pk},
        "moderation.planpolicy": {"plan": Plan.objects.get(slug=Plan.FREE).pk},
        "account.emailaddress": {"user": world.staff.pk},
    }
    return every.get(label, {})


def model_of(label: str) -> Any:
    return next(model for model in admin.site._registry if model._meta.label_lower == label)


def posted(browser: Client, address: str, said: Mapping[str, Any]) -> Any:
    """As a browser sends the form that is there, with what was typed into it."""
    form = {**post_of(browser.get(address).text), **said}
    answer = browser.post(address, {name: value for name, value in form.items() if not name.startswith("prices-0")})
    assert answer.status_code == 302, answer.context and answer.context.get("errors")
    return answer


@pytest.fixture
def world(admin_user: User, valkey: redis.Redis) -> World:
    return World(admin_user, valkey)


@pytest.fixture
def browser(admin_client: Client) -> Client:
    return admin_client


@pytest.mark.parametrize("label", ROWS)
def test_a_row_that_is_added_changed_and_deleted(label: str, browser: Client, world: World) -> None:
    address, model = f"/admin/{label.replace('.', '/')}/", model_of(label)
    typed, changed = ROWS[label]
    before = set(model.objects.values_list("pk", flat=True))
    posted(browser, f"{address}add/", {**typed, **references(label, world)})
    [row] = model.objects.exclude(pk__in=before)
    posted(browser, f"{address}{row.pk}/change/", changed)
    assert browser.post(f"{address}{row.pk}/delete/", {"post": "yes"}).status_code == 302
    noted = LogEntry.objects.filter(user=world.staff, object_id=str(row.pk)).order_by("id")
    assert [entry.action_flag for entry in noted] == [1, 2, 3]
    assert {entry.content_type.model_class() for entry in noted if entry.content_type} == {model}


@pytest.mark.parametrize("label", ROWS)
def test_rows_that_are_deleted_from_a_list(label: str, browser: Client, world: World) -> None:
    address, model = f"/admin/{label.replace('.', '/')}/", model_of(label)
    before = set(model.objects.values_list("pk", flat=True))
    posted(browser, f"{address}add/", {**ROWS[label][0], **references(label, world)})
    [row] = model.objects.exclude(pk__in=before)
    chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    if "delete_selected" in dict(admin.site._registry[model].get_actions(request_of(world.staff))):
        assert browser.post(address, chosen).status_code == 302
        assert LogEntry.objects.filter(user=world.staff, object_id=str(row.pk), action_flag=3).exists()


NOTED_BY_DJANGO = ("changelist_view", "changeform_view", "_changeform_view", "_delete_view", "response_action")
"""Where Django writes its notes, as do its lists whose rows are edited in place."""
NOTES = ("log_addition", "log_change", "log_deletions")


def test_no_page_goes_another_way_than_the_one_on_which_django_notes_what_is_saved() -> None:
    for model, model_admin in admin.site._registry.items():
        for name in (*NOTED_BY_DJANGO, *NOTES):
            ours = getattr(type(model_admin), name)
            assert ours is getattr(admin.ModelAdmin, name), (model._meta.label, name)


def test_every_row_that_can_be_written_is_written_here(admin_user: User) -> None:
    """Those of libraries that hold secrets are written by the code that the test before looks at."""
    request = request_of(admin_user)
    written = {
        model._meta.label_lower
        for model, model_admin in admin.site._registry.items()
        if model_admin.has_add_permission(request)
    }
    own = {label for label, _, what in (name.partition(" ") for name in ACTS) if what == "add"}
    assert written - set(FOR_SUPERUSERS) == {*ROWS, *own} - set(FOR_SUPERUSERS)


@act("accounts.user add")
def _(world: World) -> Act:
    said = {"email": "new@example.org", "password1": "a long password 4711", "password2": "a long password 4711"}
    return Act("/admin/accounts/user/add/", {**said, "usable_password": "true"}, kind=User)


@act("accounts.ban add")
def _(world: World) -> Act:
    return Act("/admin/accounts/ban/add/", {"visitor": world.visitor.id, "reason": "Spam."}, kind=Ban)


@act("catalog.model add")
def _(world: World) -> Act:
    form = {
        **{"name": "Quick", "slug": "quick", "summary": "Quick.", "status": "draft", "family": "ltx"},
        **{"source": "owner/Quick", "modes": ["text"], "sizes": "704x480", "fps": "24", "licence": "MIT"},
        **{"presets": "standard: {steps: 8, guidance_scale: 3.0}", "prices": "standard: {480p: 700}", "note": "New"},
    }
    return Act("/admin/catalog/model/add/", form, kind=Model)


@act("catalog.model change")
def _(world: World) -> Act:
    return Act(f"/admin/catalog/model/{world.toy.pk}/change/", {"summary": "Another."}, world.toy.pk)


@act("accounts.user change")
def _(world: World) -> Act:
    user = people.person("old@example.org")
    return Act(f"/admin/accounts/user/{user.pk}/change/", {"name": "Renamed"}, user.pk)


@act("auth_user_password_change")
def _(world: World) -> Act:
    user = people.person("old@example.org")
    said = {"password1": "a long password 4711", "password2": "a long password 4711", "usable_password": "true"}
    return Act(f"/admin/accounts/user/{user.pk}/password/", said, user.pk)


# --- the note --------------------------------------------------------------------------------------------------------


def notes_of(staff: User, named: object) -> Iterator[object]:
    """What either log has of this member of staff and this object."""
    yield from LogEntry.objects.filter(user=staff, object_id=str(named)).exclude(change_message="")
    for entry in AuditEntry.objects.filter(actor=f"staff {staff.email}"):
        if str(named) in (str(entry.workspace_id), entry.subject):
            yield entry


@pytest.mark.parametrize("name", ACTS)
def test_it_leaves_a_note_of_who_did_it_and_to_what(
    name: str, world: World, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "content_of", lambda _: Content("mail/nothing.txt", {}))
    done = ACTS[name](world)
    before = {*done.kind.objects.values_list("pk", flat=True)} if done.kind is not None else set()
    said = done.said
    if name.endswith((" add", " change")):
        said = {**post_of(browser.get(done.address).text), **said}
    answer = browser.post(done.address, said)
    assert answer.status_code == 302, answer.context and answer.context.get("errors")
    named = done.named
    if done.kind is not None:
        [named] = done.kind.objects.exclude(pk__in=before).values_list("pk", flat=True)
    assert [*notes_of(world.staff, named)], f"{name} leaves no note"


def catalogue() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Model, ModelVersion, Alias)]


@pytest.mark.parametrize(
    "name",
    [
        "make_default",
        "enable_model",
        "disable_model",
        "suggest_prices",
        "catalog_model_restore",
        "catalog_model_canary",
    ],
)
def test_the_catalogue_is_not_changed_without_a_note(
    name: str, world: World, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = ACTS[name](world)
    before = catalogue()

    def lost(*_: object, **__: object) -> Any:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(LogEntry.objects, "log_actions", lost)
    assert browser.post(done.address, done.said).status_code == 503
    assert catalogue() == before


def test_every_act_that_the_admin_offers_is_done_here(admin_user: User) -> None:
    request = request_of(admin_user)
    actions = {
        f"{model._meta.label_lower} {name}"
        for model, model_admin in admin.site._registry.items()
        for name in model_admin.get_actions(request)
        if name != "delete_selected"
    }
    assert {f"{label} {name}" for label, name in ACTIONS} <= actions
    pages = {*OF_MODELS, *OF_NO_MODEL, *OF_TRIALS} - READS
    changing = {page.name for page in staff_pages.pages() if page.is_action}
    assert not changing & READS
    rows = {name for name in ACTS if name.endswith((" add", " change"))}
    assert set(ACTS) - rows == (actions | pages) - ELSEWHERE


# --- and nobody gets rid of it --------------------------------------------------------------------------------------


def test_staff_changes_its_own_password_where_everybody_does(browser: Client) -> None:
    """There it takes a recent sign-in, is in the audit log, and its owner gets mail."""
    answer = browser.get("/admin/password_change/")
    assert (answer.status_code, answer["Location"]) == (302, "/account/password/change/")
    said = {"old_password": "password", "new_password1": "another one 4711", "new_password2": "another one 4711"}
    browser.post("/admin/password_change/", said)
    assert User.objects.get(email="admin@example.com").check_password("password")


def test_who_is_on_the_staff_does_not_erase_what_they_did() -> None:
    staff = people.person("staff@example.org", is_staff=True)
    LogEntry.objects.log_actions(staff.pk, [staff], 2, "Did it.", single_object=True)
    with pytest.raises(Conflict, match="staff"):
        erasure.erase_person(staff)
    User.objects.filter(pk=staff.pk).update(is_staff=False)
    erasure.erase_person(User.objects.get(pk=staff.pk))
    assert not User.objects.filter(email="staff@example.org").exists()
    kept = LogEntry.objects.get()
    assert kept.change_message == "Did it."
    assert (kept.user.is_active, kept.user.has_usable_password(), kept.user.name) == (False, False, "")
