"""The admin's audit log: one page of whatever staff did, in sentences, found by who, what, whom and when."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
import redis
from asgiref.sync import async_to_sync
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import audit, whose, workspaces
from accounts.audit_sentences import WORDS
from accounts.models import AuditEntry, User, Workspace
from billing.shop.models import Payment, Plan, Price
from catalog.models import Model
from generation.staff import fleet_commands
from generation.staff.audit import acts
from generation.staff.audit import page as audit_log
from tests.accounts.factories import browser_of, person
from tests.generation import factories
from tests.generation.test_fleet_page import heard
from tests.test_staff_roles import member_of

pytestmark = pytest.mark.django_db
PAGE = "/admin/audit/"


@pytest.fixture
def ada() -> User:
    """Of the staff, and she has a name."""
    user = person("ada@example.com", is_staff=True)
    User.objects.filter(id=user.id).update(name="Ada")
    return User.objects.get(id=user.id)


@pytest.fixture
def staff(ada: User) -> Client:
    return browser_of(ada)


def own(email: str) -> Workspace:
    return Workspace.objects.get(memberships__user=person(email), kind="personal")


def shown(browser: Client, **asked: str) -> list[acts.Act]:
    return [act for act, *_ in browser.get(PAGE, asked).context["rows"]]


def said(browser: Client, **asked: str) -> list[str]:
    return [f"{act.who} {act.words}" for act in shown(browser, **asked)]


def codes(browser: Client, **asked: str) -> set[str]:
    return {act.code for act in shown(browser, **asked)}


def note(by: User, row: Any, flag: int, message: Any = "") -> LogEntry:
    LogEntry.objects.log_actions(by.pk, [row], flag, message, single_object=True)
    return LogEntry.objects.latest("id")


def with_rights(*codenames: str, email: str = "looks@example.com") -> Client:
    """Somebody of the staff who may open the log, and has these rights besides."""
    user = User.objects.filter(email=email).first() or person(email)
    User.objects.filter(id=user.id).update(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_staff_acts", *codenames]))
    return browser_of(User.objects.get(id=user.id))


def test_acts_of_both_logs_are_sentences_newest_first(staff: Client, ada: User, valkey: redis.Redis) -> None:
    plan, model = Plan.objects.get(slug="free"), factories.model()
    note(ada, plan, ADDITION, [{"added": {}}])
    note(
        ada,
        plan,
        CHANGE,
        [{"changed": {"fields": ["Monthly credits", "Name"]}}, {"added": {"name": "price", "object": "5 $"}}],
    )
    workspaces.suspend(own("bob@example.org"), actor="staff ada@example.com", reason="spam")
    note(ada, model, CHANGE, "Brought version 1 back as version 3.")
    note(ada, model, CHANGE, "Began a test render of version 1.")
    note(ada, model, CHANGE, "Toy is the default now.")
    heard(valkey)
    fleet_commands.drain("gpu-7", by=ada)
    note(ada, plan, DELETION)
    assert said(staff) == [
        "Ada deleted the plan Free",
        "Ada gave a command: worker gpu-7 takes no more clips until it is resumed",
        "Ada changed the model Toy: Toy is the default now",
        "Ada began a test render of version 1",
        "Ada brought version 1 back as version 3",
        "Ada suspended bob@example.org",
        "Ada changed monthly credits and name of the plan Free and added the price 5 $",
        "Ada added the plan Free",
    ]


def test_a_test_render_leads_to_its_page_for_whoever_may_open_that(staff: Client, ada: User) -> None:
    model, trial = factories.model(), uuid4()
    note(ada, model, CHANGE, [{"added": {"name": "test render", "object": "version 1", "trial": str(trial)}}])
    [act] = shown(staff)
    assert (act.words, act.object) == ("began a test render of version 1", f"Test render of {model.name}, version 1")
    assert act.address == f"/admin/trials/{trial}/"
    [act] = shown(with_rights("view_model"))
    assert act.address == f"/admin/catalog/model/{model.pk}/change/"


def test_credits_that_were_given_are_said_in_credits(staff: Client, ada: User) -> None:
    workspace = factories.visitor(credits=100).workspace
    form = {"reason": "an outage", "reference": "0190b3c8-7a1e-7000-8000-000000000001"}
    staff.post(f"/admin/customers/{workspace.id}/credits/", {**form, "give": "500"})
    form["reference"] = "0190b3c8-7a1e-7000-8000-000000000002"
    staff.post(f"/admin/customers/{workspace.id}/credits/", {**form, "give": "1500"})
    done = shown(staff, about="Money")
    assert [f"{act.who} {act.words}" for act in done] == [
        f"Ada proposed to give 1,500 credits to {whose.title_by_id(workspace.id)}: an outage",
        f"Ada gave 500 credits to {whose.title_by_id(workspace.id)}: an outage",
    ]
    assert {act.customer for act in done} == {workspace.id}


def test_a_clip_that_staff_cancels_is_in_the_log_of_its_customer_and_leads_to_it(staff: Client) -> None:
    factories.model()
    clip = factories.submitted(factories.visitor(credits=100).workspace)
    staff.post(f"/admin/clips/{clip.id}/cancel/")
    [act] = shown(staff, customer=str(clip.workspace_id))
    assert (act.words, act.area, act.address) == (
        f"cancelled the clip {clip.id.hex[:8]}…",
        "Clips",
        f"/admin/generation/generation/{clip.id}/change/",
    )
    assert "staff ada@example.com cancelled the clip" in staff.get(act.address).text


def test_what_members_did_is_shown_to_whoever_asks_for_everybody(staff: Client) -> None:
    audit.record(own("bob@example.org"), "key.issued", actor="bob@example.org", subject="lm_1f", name="<b>ci</b>")
    assert not shown(staff)
    [row] = re.findall(r'<td class="what" title="key.issued">(.*?)</td>', staff.get(PAGE, {"who": "everybody"}).text)
    assert "&lt;b&gt;" in row
    assert unescape(re.sub(r"<[^>]+>", " ", row)).split() == [
        "bob@example.org",
        "created",
        "the",
        "API",
        "key",
        "lm_1f.",
        "name:",
        "<b>ci</b>",
    ]


def test_what_changed_is_told_with_what_it_was_before(staff: Client, ada: User) -> None:
    bob = own("bob@example.org")
    audit.record(bob, "workspace.renamed", actor="staff ada@example.com", before="Bob's", after="Studio")
    before, after = {"role": "member", "monthly_cap_credits": None}, {"role": "admin", "monthly_cap_credits": 500}
    audit.record(bob, "member.changed", actor="staff ada@example.com", before=before, after={**after, "more": None})
    assert [act.detail for act in shown(staff)] == [
        "role: member → admin · monthly cap credits: none → 500",
        "Bob's → Studio",
    ]


def test_a_refund_says_whose_payment_it_was_and_a_proposal_whose_credits(staff: Client, ada: User) -> None:
    bob = own("bob@example.org")
    payment = Payment.objects.create(
        **{"source": "order:1", "workspace": bob.id, "account": bob.id, "amount_minor": 900, "credits": 100},
        **{"price": Price.objects.first(), "currency": "usd", "paid_at": timezone.now()},
    )
    note(ada, payment, CHANGE, "Refunded $9.00")
    [act] = shown(staff)
    assert (act.words, act.object, act.customer) == ("refunded $9.00", "Payment", bob.id)
    assert act.address == f"/admin/shop/payment/{payment.pk}/change/"


def test_who_signs_up_is_said_to_and_their_workspace_is_called_their_own(staff: Client) -> None:
    bob = own("bob@example.org")
    audit.record(bob, "workspace.closed", actor="bob@example.org")
    assert said(staff, who="everybody", customer=str(bob.id)) == [
        "bob@example.org closed their own workspace",
        "bob@example.org signed up",
    ]


def test_the_address_narrows_the_log_by_person_subject_and_time(staff: Client, ada: User) -> None:
    eve = person("eve@example.com", is_staff=True)
    model, plan = factories.model(), Plan.objects.get(slug="free")
    note(eve, model, CHANGE, "Promoted the canary, version 2.")
    old = note(ada, plan, CHANGE, "Changed it.")
    LogEntry.objects.filter(id=old.id).update(action_time=datetime(2025, 3, 4, 12, tzinfo=UTC))
    workspaces.suspend(own("bob@example.org"), actor="staff eve@example.com", reason="spam")
    assert codes(staff) == {"catalog.model", "shop.plan", "workspace.suspended"}
    assert codes(staff, by="eve@example.com") == {"catalog.model", "workspace.suspended"}
    assert codes(staff, about="Catalogue") == {"catalog.model"}
    assert codes(staff, about="Customers") == {"workspace.suspended"}
    assert codes(staff, when="day") == {"catalog.model", "workspace.suspended"}
    assert codes(staff, when="2025-03-04") == codes(staff, when="2025-03") == {"shop.plan"}
    assert codes(staff, when="2025-03-05") == set()
    assert codes(staff, when="nonsense", about="nonsense", customer="nonsense", before="x.y", q="\x00") == codes(staff)


def test_a_search_finds_by_address_id_name_and_event(staff: Client, ada: User) -> None:
    bob, mine = own("bob@example.org"), own("ada@example.org")
    model = factories.model()
    note(ada, model, CHANGE, "Promoted the canary, version 2.")
    workspaces.suspend(bob, actor="staff ada@example.com", reason="spam")
    audit.record(mine, "member.invited", actor="ada@example.org", subject="bob@example.org")
    audit.record(mine, "webhook.created", actor="bob@example.org", subject="https://example.org")
    audit.record(mine, "key.issued", actor="ada@example.org", subject="lm_1f")
    assert codes(staff, q="Bob@example.org", who="everybody") == {
        *("workspace.begun", "workspace.suspended", "member.invited", "webhook.created")
    }
    assert codes(staff, q="ada@example.com") >= {"catalog.model", "workspace.suspended"}
    assert codes(staff, q=str(bob.id)) == {"workspace.suspended"}
    assert codes(staff, q=model.slug) == codes(staff, q=model.name.lower()) == {"catalog.model"}
    assert codes(staff, q="workspace.suspended") == {"workspace.suspended"}
    assert codes(staff, q="nobody@example.org") == set()


def test_a_customers_log_has_no_acts_on_rows_that_happen_to_have_the_number_of_their_payment(
    staff: Client, ada: User
) -> None:
    bob, plan = own("bob@example.org"), Plan.objects.get(slug="free")
    payment = Payment.objects.create(
        **{"id": plan.pk, "source": "order:1", "workspace": bob.id, "account": bob.id, "amount_minor": 900},
        **{"price": Price.objects.first(), "currency": "usd", "credits": 100, "paid_at": timezone.now()},
    )
    note(ada, plan, CHANGE, "Changed it.")
    note(ada, payment, CHANGE, "Refunded $9.00")
    note(ada, bob, CHANGE, "Looked at it.")
    assert codes(staff, customer=str(bob.id)) == {"shop.payment", "accounts.workspace"}


def test_whose_a_workspace_is_is_found_by_those_alone_who_may_look_customers_up(ada: User) -> None:
    bob = own("bob@example.org")
    workspaces.suspend(bob, actor="staff ada@example.com", reason="spam")
    browser = with_rights("view_auditentry")
    assert codes(browser, q="bob@example.org", who="everybody") == set()
    page = browser.get(PAGE).text
    assert str(bob.id) in page
    assert "suspended this workspace" in page
    assert "bob@example.org" not in page


def test_older_pages_show_every_act_once_whatever_comes_meanwhile(
    staff: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "PAGE", 3)
    model, bob = factories.model(), own("bob@example.org")
    at = timezone.now()
    for number in range(10):  # two at a time have the same moment
        moment = at - timedelta(minutes=10 - number // 2)
        if number % 3:
            noted = note(ada, model, CHANGE, f"Act {number}.")
            LogEntry.objects.filter(id=noted.id).update(action_time=moment)
        else:
            audit.record(bob, "staff.looked", actor="staff ada@example.com", number=number)
            AuditEntry.objects.filter(detail__number=number).update(at=moment)
    found, address = [], PAGE
    while address:
        page = staff.get(address)
        found += [act.words + act.detail for act, *_ in page.context["rows"]]
        note(ada, model, CHANGE, "Came meanwhile.")
        older = page.context["older"]
        address = f"{PAGE}{older}" if older else ""
    assert len(found) == len(set(found)) == 10
    assert sorted(int(re.findall(r"\d+", text)[-1]) for text in found) == list(range(10))


def test_older_pages_of_a_month_that_is_over_go_by_time_whatever_the_order_of_the_ids(
    staff: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "PAGE", 3)
    model, bob = factories.model(), own("bob@example.org")
    for number in range(10):  # noted late: the later its id, the longer ago it was; two at a time have the same moment
        moment = datetime(2025, 3, 20, 12, tzinfo=UTC) - timedelta(hours=number // 4)
        if number % 2:
            LogEntry.objects.filter(id=note(ada, model, CHANGE, f"Act {number}.").id).update(action_time=moment)
        else:
            audit.record(bob, "staff.looked", actor="staff ada@example.com", number=number)
            AuditEntry.objects.filter(detail__number=number).update(at=moment)
    found, times, address = [], [], f"{PAGE}?when=2025-03"
    while address:
        page = staff.get(address)
        found += [int(re.findall(r"\d+", act.words + act.detail)[-1]) for act, *_ in page.context["rows"]]
        times += [act.at for act, *_ in page.context["rows"]]
        note(ada, model, CHANGE, "Came meanwhile.")
        older = page.context["older"]
        address = f"{PAGE}{older}" if older else ""
    assert sorted(found) == list(range(10))
    assert times == sorted(times, reverse=True)


def test_what_is_read_of_a_month_that_is_over_does_not_grow_with_what_came_since(staff: Client, ada: User) -> None:
    bob, old = own("bob@example.org"), datetime(2025, 3, 20, 12, tzinfo=UTC)
    entries = [
        AuditEntry(workspace=bob, event="staff.looked", actor="staff ada@example.com", at=at)
        for at in [*[old] * 1_000, *[timezone.now()] * 2_000]
    ]
    AuditEntry.objects.bulk_create(entries)
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as queries:
        cursor.execute("ANALYZE accounts_auditentry")
        assert len(shown(staff, when="2025-03")) == audit_log.PAGE
        [sql] = [each["sql"] for each in queries if 'FROM "accounts_auditentry" WHERE' in each["sql"]]
        cursor.execute("EXPLAIN (ANALYZE, TIMING off) " + sql.replace("%", "%%"))
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "audit_by_time" in plan, plan
    assert "Rows Removed by Filter" not in plan, plan


def test_what_is_read_for_a_role_does_not_grow_with_what_was_done_elsewhere(ada: User) -> None:
    note(ada, factories.model(), CHANGE, "Act.")
    plan, kind = Plan.objects.get(slug="free"), ContentType.objects.get_for_model(Plan)
    LogEntry.objects.bulk_create(
        LogEntry(user_id=ada.pk, content_type=kind, object_id=str(plan.pk), action_flag=CHANGE, change_message="Act.")
        for _ in range(2_000)
    )
    browser = browser_of(member_of("Catalogue"))
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as queries:
        cursor.execute("ANALYZE django_admin_log")
        assert codes(browser) == {"catalog.model"}
        [sql] = [each["sql"] for each in queries if 'FROM "django_admin_log"' in each["sql"]]
        cursor.execute("EXPLAIN (ANALYZE, TIMING off) " + sql.replace("%", "%%"))
        plan_of = "\n".join(row[0] for row in cursor.fetchall())
    assert "admin_log_by_kind" in plan_of, plan_of
    assert "Rows Removed by Filter" not in plan_of, plan_of


def test_the_page_takes_as_many_queries_however_much_was_done(staff: Client, ada: User) -> None:
    model = factories.model()
    queries = []
    for rows in (2, 20):
        for number in range(rows):
            note(ada, model, CHANGE, f"Act {number}.")
            audit.record(own(f"p{rows}-{number}@example.org"), "staff.looked", actor="staff ada@example.com")
        staff.get(PAGE)
        with CaptureQueriesContext(connection) as asked:
            staff.get(PAGE)
        queries.append(len(asked))
    assert queries[0] == queries[1]


def test_a_row_that_may_not_be_opened_is_no_link(ada: User) -> None:
    model = factories.model()
    note(ada, model, CHANGE, "Promoted the canary, version 2.")
    [act] = shown(with_rights("view_auditentry"))
    assert (act.object, act.address) == (f"Model {model.name}", "")
    [act] = shown(with_rights("view_auditentry", "view_model"))
    assert act.address == f"/admin/catalog/model/{model.pk}/change/"


@pytest.mark.parametrize(
    ("role", "seen"),
    {
        "Support": {"catalog.model", "shop.plan", "clip.retried", "workspace.suspended", "accounts.user"},
        "Operations": {"catalog.model", "clip.retried", "generation.fleetsample"},
        "Catalogue": {"catalog.model", "clip.retried", "generation.fleetsample"},
    }.items(),
)
def test_each_role_reads_what_was_done_on_its_own_pages(
    role: str, seen: set[str], ada: User, valkey: redis.Redis
) -> None:
    bob, clip = own("bob@example.org"), "0190b3c8-7a1e-7000-8000-000000000001"
    note(ada, factories.model(), CHANGE, "Promoted the canary, version 2.")
    note(ada, Plan.objects.get(slug="free"), CHANGE, "Changed it.")
    note(ada, User.objects.get(email="bob@example.org"), CHANGE, [{"changed": {"fields": ["Name"]}}])
    heard(valkey)
    fleet_commands.drain("gpu-7", by=ada)
    workspaces.suspend(bob, actor="staff ada@example.com", reason="spam")
    audit.record(bob, "clip.retried", actor="staff ada@example.com", subject=clip)
    audit.record(bob, "clip.cancelled", actor="bob@example.org", subject=clip)
    browser = browser_of(member_of(role))
    assert codes(browser) >= seen
    if role == "Support":
        return
    assert codes(browser) == codes(browser, who="everybody") == seen
    assert codes(browser, about="Clips") == {"clip.retried"}
    for asked in (
        {},
        {"who": "everybody"},
        {"q": "bob@example.org"},
        {"by": "bob@example.org"},
        {"customer": str(bob.id)},
    ):
        page = browser.get(PAGE, asked)
        text = re.sub(r'value="[^"]*"|Found for [^<]*|By [^<]*|href="[^"]*"', "", page.text)
        assert "bob@example.org" not in text, asked
        assert ("clip.retried" in page.text) == ("q" not in asked and "by" not in asked)


def test_addresses_of_members_are_read_by_those_alone_who_may_look_people_up(ada: User) -> None:
    bob, eve = own("bob@example.org"), person("eve@example.org")
    audit.record(bob, "member.invited", actor="bob@example.org", subject="eve@example.org", told="eve@example.org")
    workspaces.suspend(bob, actor="staff ada@example.com", reason="bob@example.org asked")
    note(ada, eve, CHANGE, [{"changed": {"fields": ["Name"]}}])
    browser = with_rights("view_auditentry")
    page = browser.get(PAGE, {"who": "everybody"}).text
    assert not re.findall(r"\w+@example.org", page)
    assert "ada@example.com" in page
    assert set(said(browser, who="everybody")) >= {"a member invited somebody", "Ada changed name of the user somebody"}
    for asked in ({"q": "bob@example.org"}, {"by": "bob@example.org"}, {"q": "eve@example.org"}):
        assert not shown(browser, who="everybody", **asked), asked
    assert codes(browser, q="ada@example.com") == {"workspace.suspended", "accounts.user"}
    assert "bob@example.org invited eve@example.org" in said(
        with_rights("view_auditentry", "view_user"), who="everybody"
    )


def lines_of(browser: Client, **asked: str) -> list[list[str]]:
    answer: Any = browser.get(f"{PAGE}log.csv", asked)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")

    async def whole() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return list(csv.reader(async_to_sync(whole)().decode().splitlines()))


def test_the_table_has_what_the_filters_leave_of_both_logs_to_the_end(
    staff: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "ROWS_AT_ONCE", 3)
    model, bob = factories.model(), own("bob@example.org")
    for number in range(7):
        note(ada, model, CHANGE, f"Act {number}.")
        audit.record(bob, "staff.looked", actor="staff ada@example.com", number=number)
    workspaces.suspend(bob, actor="staff ada@example.com", reason="=1+1")
    head, first, *others = lines_of(staff)
    assert head == list(audit_log.COLUMNS)
    assert first[1:4] == ["Ada", "ada@example.com", "suspended bob@example.org"]
    assert first[-3:] == ["bob@example.org", str(bob.id), "workspace.suspended"]
    assert len({tuple(each) for each in others}) == 14
    assert [each[0] for each in others] == sorted((each[0] for each in others), reverse=True)
    assert len(lines_of(staff, about="Catalogue")) == 1 + 7
    assert len(lines_of(staff, q="nobody@example.org")) == 1


def test_a_table_that_is_cut_says_so(staff: Client, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "MOST_EXPORTED", 4)
    for number in range(5):
        note(ada, factories.model(slug=f"toy-{number}"), CHANGE, "Act.")
    _, *acts_, last = lines_of(staff)
    assert len(acts_) == 4
    assert last[0].startswith("The newest 4 alone: filter for a time before 20")


def test_a_role_gets_no_more_in_the_table_than_on_the_page(ada: User) -> None:
    bob = own("bob@example.org")
    note(ada, factories.model(), CHANGE, "Promoted the canary, version 2.")
    audit.record(bob, "key.issued", actor="bob@example.org", subject="lm_1f")
    workspaces.suspend(bob, actor="staff ada@example.com", reason="spam")
    lines = lines_of(browser_of(member_of("Catalogue")), who="everybody")
    assert [each[-1] for each in lines] == ["code", "catalog.model"]


def test_every_event_is_about_a_section() -> None:
    begins = {event.partition(".")[0] for event in WORDS}
    placed = [begin for each in acts.AREAS.values() for begin in each]
    assert begins <= {*placed}
    assert len(placed) == len(set(placed))


def test_the_plans_of_the_page_use_an_index(staff: Client, ada: User) -> None:
    """Each of the two tables is read along one, whatever is asked for: neither is sorted or read whole."""
    model = Model.objects.first() or factories.model()
    note(ada, model, CHANGE, "Act.")
    bob = own("bob@example.org")
    asked: list[dict[str, str]] = [
        {},
        {"about": "Catalogue"},
        {"by": "ada@example.com"},
        {"customer": str(bob.id)},
        {"q": str(bob.id)},
        {"when": "2026-01-02"},
    ]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        of_a_role = browser_of(member_of("Operations"))
        for browser, each in [*((staff, each) for each in asked), (of_a_role, {})]:
            with CaptureQueriesContext(connection) as queries:
                browser.get(PAGE, each)
            for sql in (query["sql"] for query in queries):
                if re.search(r'FROM "(django_admin_log|accounts_auditentry)"', sql):
                    cursor.execute("EXPLAIN " + sql.replace("%", "%%"))
                    plan = "\n".join(row[0] for row in cursor.fetchall())
                    assert not re.search("Seq Scan on (django_admin_log|accounts_auditentry)", plan), plan
