"""What staff sees of the ledger, and the one thing that staff can do to it."""

from __future__ import annotations

import re
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import BigIntegerField
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from billing import ledger
from billing.admin.accounts import WHERE_CREDITS_ARE
from billing.models import LOT_TITLES, Lot
from tests.billing.books import grant, hold, spend

pytestmark = pytest.mark.usefixtures("books")


@pytest.fixture
def owner(client: Client) -> Client:
    """Signed in as somebody who may do everything."""
    client.force_login(User.objects.create_superuser(email="ada@example.org", password="x"))
    return client


@pytest.fixture
def reader(client: Client) -> Client:
    """Signed in as staff who may look at the ledger."""
    user = User.objects.create_user(email="ben@example.org", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_account", "view_lot", "view_hold"]))
    client.force_login(user)
    return client


def page_of(account: UUID) -> str:
    return reverse("admin:billing_account_change", args=[account])


def test_it_works(owner: Client) -> None:
    account = uuid4()
    grant(account, 1000, reference="in_42")
    request = hold(account, 30)
    ledger.capture(reference=hold(account, 20))
    page = owner.get(page_of(account)).content.decode()
    assert [balance for balance in re.findall(r"<dd>([\d,]+)</dd>", page)] == ["950", "30", "0"]
    assert "<td>settle</td>" not in page
    page = owner.get(f"{page_of(account)}?columns=all").content.decode()
    assert "in_42" in page
    assert str(request) in page
    assert "Reserved for a clip</a>" in page
    assert re.findall(r"<td>(\d+)</td><td>([a-z]+)</td><td class=\"wraps\">", page) == [
        ("4", "settle"),
        ("3", "hold"),
        ("2", "hold"),
        ("1", "grant"),
    ]


@pytest.mark.parametrize("model", ["account", "lot", "hold"])
def test_lists_show_rows_and_find_them_by_account(owner: Client, model: str) -> None:
    account, other = uuid4(), uuid4()
    for each in (account, other):
        grant(each, 10)
        spend(each, 5)
    address = reverse(f"admin:billing_{model}_changelist")
    assert str(other) in owner.get(address).content.decode()
    found = owner.get(address, {"q": str(account)}).content.decode()
    assert str(account) in found
    assert str(other) not in found
    assert owner.get(address, {"q": "no uuid"}).context["cl"].result_count == 0


def test_a_lot_is_found_by_what_it_was_granted_for(owner: Client) -> None:
    for reference in ("in_41", "in_42"):
        grant(uuid4(), 10, reference=reference)
    found = owner.get(reverse("admin:billing_lot_changelist"), {"q": "in_42"}).context["cl"]
    assert [lot.reference for lot in found.result_list] == ["in_42"]


@pytest.mark.parametrize("model", ["account", "lot", "hold"])
def test_nothing_can_be_added_changed_or_deleted(owner: Client, model: str) -> None:
    account = uuid4()
    grant(account, 10)
    request = hold(account, 5)
    subject = {"account": account, "lot": ledger.lots(account=account)[0].id, "hold": request}[model]
    assert owner.get(reverse(f"admin:billing_{model}_add")).status_code == 403
    assert owner.post(reverse(f"admin:billing_{model}_change", args=[subject]), {}).status_code == 403
    assert owner.post(reverse(f"admin:billing_{model}_delete", args=[subject]), {"post": "yes"}).status_code == 403
    assert owner.get(reverse(f"admin:billing_{model}_change", args=[subject])).status_code == 200


def test_lots_that_are_used_up_are_shown_below(owner: Client) -> None:
    account = uuid4()
    grant(account, 10, reference="in_41")
    spend(account, 10)
    used_up = owner.get(page_of(account)).content.decode().partition("used up")[2]
    assert ">in_41<" in used_up
    assert ">Credits of a pack</a>" in used_up


def test_a_lot_says_where_its_credits_are(owner: Client) -> None:
    account = uuid4()
    grant(account, 100, reference="in_43")
    spend(account, 10)
    hold(account, 5)
    lot = Lot.objects.get(account=account)
    page = owner.get(reverse("admin:billing_lot_change", args=[lot.id])).content.decode()
    found = re.findall(r'<th scope="row">([^<]*)</th><td class="figure">([\d,]+)</td>', page)
    assert found == [("Can be spent", "85"), ("Reserved for clips", "5"), ("Spent", "10")]


def test_the_list_of_lots_and_its_filter_call_them_the_same_and_fold_what_is_rare(owner: Client) -> None:
    account = uuid4()
    grant(account, 100, reference="in_44")
    page = owner.get(reverse("admin:billing_lot_changelist"), {"kind": "pack"})
    assert [lot.title for lot in page.context["cl"].result_list] == [LOT_TITLES["pack"]]
    offered = [each["display"] for each in page.context["cl"].filter_specs[0].choices(page.context["cl"])]
    assert {*offered[1:]} == {*LOT_TITLES.values()}
    assert len(page.context["cl"].list_display) <= 11
    lot = Lot(clawed=30, forgiven=1_000)
    assert lot.other_changes == "30 taken back with a refund, 1,000 written off"


def test_every_place_of_a_lots_credits_has_its_words() -> None:
    counted = {field.name for field in Lot._meta.fields if isinstance(field, BigIntegerField)} - {"id", "issued"}
    assert {*WHERE_CREDITS_ARE} == counted
    assert {*LOT_TITLES} == {*ledger.LotKind}


def test_a_hold_says_how_it_ended(owner: Client) -> None:
    account = uuid4()
    grant(account, 100)
    open_one, done = hold(account, 30), hold(account, 20)
    ledger.capture(reference=done, amount=15)
    page = owner.get(reverse("admin:billing_hold_change", args=[open_one])).content.decode()
    assert "Reserved since" in page
    assert "at the latest, if nothing settles it before" in page
    page = owner.get(reverse("admin:billing_hold_change", args=[done])).content.decode()
    assert "Charged in part" in page
    assert "15 charged, 5 given back" in page


def test_a_clip_that_is_over_is_one_row_of_the_account(owner: Client) -> None:
    account = uuid4()
    grant(account, 100)
    spend(account, 10)
    lines = owner.get(page_of(account)).context["lines"]
    found = [(words, line.available_change, line.held_change) for line, words in lines]
    assert found == [("Clip", -10, 0), ("Pack", 100, 0)]
    assert len(owner.get(f"{page_of(account)}?columns=all").context["lines"]) == 3


def test_long_histories_come_by_the_page(owner: Client) -> None:
    account = uuid4()
    for _ in range(52):
        grant(account, 1)
    first = owner.get(page_of(account))
    assert [line.seq for line, _ in first.context["lines"]] == list(range(52, 2, -1))
    second = owner.get(page_of(account), {"before": first.context["older_than"]})
    assert [line.seq for line, _ in second.context["lines"]] == [2, 1]
    assert second.context["older_than"] is None
    assert len(owner.get(page_of(account), {"before": "9" * 400}).context["lines"]) == 50


def test_a_page_asks_the_same_number_of_questions_whatever_the_history(
    owner: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    brief, long = uuid4(), uuid4()
    grant(brief, 5)
    for _ in range(20):
        grant(long, 5)
        spend(long, 3)
    owner.get(page_of(brief))
    with CaptureQueriesContext(connection) as counted:
        owner.get(page_of(brief))
    with django_assert_num_queries(len(counted.captured_queries)):
        owner.get(page_of(long))


def test_a_workspace_that_never_had_credits_has_no_page(owner: Client) -> None:
    assert owner.get(page_of(uuid4())).status_code == 404


def test_a_movement_by_staff_has_a_name_and_a_reason(owner: Client) -> None:
    account = uuid4()
    ledger.adjust(account=account, reference="staff:1", amount=25, actor="ben@example.org", reason="clip was black")
    page = owner.get(page_of(account)).content.decode()
    assert "ben@example.org" in page
    assert "clip was black" in page


def test_looking_at_the_ledger_does_not_allow_to_adjust_it(reader: Client) -> None:
    account = uuid4()
    grant(account, 10)
    page = reader.get(page_of(account))
    assert page.status_code == 200
    assert "Give or take" not in page.content.decode()
    assert reader.get(reverse("admin:billing_account_write_off", args=[account])).status_code == 403


def test_strangers_see_nothing(client: Client) -> None:
    account = uuid4()
    grant(account, 10)
    for address in (page_of(account), reverse("admin:billing_account_write_off", args=[account])):
        assert client.get(address).status_code == 302
