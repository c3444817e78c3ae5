"""``GET /v1/usage`` and its page: where credits went, equal to the ledger to the credit."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, date, timedelta
from itertools import combinations
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import api_keys, workspaces
from accounts.models import ApiKey, User, Workspace
from accounts.roles import BY_ROLE, Role
from billing import ledger
from billing.models import Hold
from billing.shop import budgets
from catalog.models import Model
from generation import spending
from generation.models import Generation
from generation.pages.usage_chart import chart_of
from generation.settlement import settle
from generation.spending import GROUPS
from generation.usage import Line, Span, Spent, Usage
from tests.accounts import factories as people
from tests.generation import factories
from tests.generation.test_reference import complaints, contract

__all__ = ("contract",)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stopped_clock")]


@pytest.fixture
def owner(toy: Model) -> User:
    return people.person("owner@example.org")


@pytest.fixture
def member() -> User:
    return people.person("member@example.org")


@pytest.fixture
def studio(owner: User, member: User) -> Workspace:
    made = people.team(owner, "Studio", member=member)
    ledger.grant(account=made.id, reference=f"test:{made.id}", amount=4_000, kind=ledger.LotKind.PACK)
    return made


@pytest.fixture
def issue(studio: Workspace, owner: User) -> Callable[..., tuple[ApiKey, Client]]:
    def issue(name: str, *scopes: str) -> tuple[ApiKey, Client]:
        key, text = api_keys.issue(
            workspace=studio, by=owner, allowed=BY_ROLE[Role.OWNER], name=name, scopes=list(scopes)
        )
        return key, Client(headers={"Authorization": f"Bearer {text}"})

    return issue


def asked_by(client: Client, **asked: Any) -> Generation:
    answer = client.post("/v1/videos", {"prompt": "a fox", **asked}, content_type="application/json")
    return Generation.objects.get(id=answer.json()["id"])


def asked_on_a_page(user: User, studio: Workspace) -> Generation:
    browser = people.browser_of(user, studio)
    answer = browser.post("/v1/videos", {"prompt": "a fox"}, content_type="application/json")
    return Generation.objects.get(id=answer.json()["id"])


def delivered(generation: Generation) -> Generation:
    factories.deliver_clip(generation)
    settle.settle(factories.report(generation))
    return generation


def days_ago(generation: Generation, days: int) -> None:
    """Move a clip and its hold into the past, which the ledger's guards let nobody do but a test."""
    then = timezone.now() - timedelta(days=days)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE ledger_hold SET held_at = %s WHERE id = %s", [then, generation.id])
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    Generation.objects.filter(id=generation.id).update(created_at=then)
    spending.recount(generation.workspace_id)


def usage(client: Client, **said: str) -> Any:
    answer = client.get("/v1/usage", said)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_whatever_it_is_grouped_by_the_sum_is_the_ledgers(
    studio: Workspace, member: User, issue: Callable[..., tuple[ApiKey, Client]]
) -> None:
    factories.model("other", is_default=False)
    _, ci = issue("ci", "generate", "billing-read")
    _, night = issue("night", "generate")
    delivered(asked_by(ci))
    settle.cancel(asked_by(ci, seconds=3))
    asked_by(night, model="other")
    delivered(asked_on_a_page(member, studio))
    holds = list(Hold.objects.filter(account=studio.id))
    assert len(holds) == 4
    for number in range(1, len(GROUPS) + 1):
        for by in combinations(GROUPS, number):
            said = usage(ci, by=",".join(by))
            total = said["total"]
            assert total["charged"] == sum(hold.captured for hold in holds)
            assert total["given_back"] == sum(hold.released for hold in holds)
            assert total["held"] == sum(hold.amount for hold in holds if hold.state == Hold.State.OPEN) > 0
            assert total["held"] + total["charged"] == budgets.spent_credits(studio.id)
            for name in total:
                assert sum(line[name] for line in said["data"]) == total[name], (by, name)


def test_lines_tell_apart_days_models_keys_and_members(
    studio: Workspace, member: User, issue: Callable[..., tuple[ApiKey, Client]], contract: dict[str, Any]
) -> None:
    key, ci = issue("ci", "generate", "billing-read")
    old = delivered(asked_by(ci))
    days_ago(old, 40)
    new = delivered(asked_by(ci))
    asked_on_a_page(member, studio)
    since, today = timezone.now() - timedelta(days=50), new.created_at.astimezone(UTC).date()
    said = usage(ci, since=f"{since:%F}", by="key,member,day")
    assert complaints(contract, "Usage", said) == []
    assert said["by"] == ["day", "key", "member"]
    cost = new.credits_quoted
    told = [(line["day"], line["key"], line["member"], line["charged"], line["held"]) for line in said["data"]]
    assert told == [
        (f"{today - timedelta(days=40)}", key.prefix, None, cost, 0),
        (f"{today}", key.prefix, None, cost, 0),
        (f"{today}", None, "member@example.org", 0, cost),
    ]
    assert [line["key_name"] for line in said["data"]] == ["ci", "ci", ""]
    assert (said["data"][0]["clips"], said["data"][0]["seconds"]) == (1, new.seconds)
    assert usage(ci, since=f"{today}", by="model")["data"] == [
        {"model": "toy", "clips": 2, "seconds": new.seconds, "held": cost, "charged": cost, "given_back": 0}
    ]


def test_a_rotated_key_goes_on_as_the_one_before(
    studio: Workspace, owner: User, issue: Callable[..., tuple[ApiKey, Client]]
) -> None:
    first, before = issue("ci", "generate")
    asked_by(before)
    _, text = api_keys.rotate(key=first, by=owner, allowed=BY_ROLE[Role.OWNER])
    after = Client(headers={"Authorization": f"Bearer {text}"})
    asked_by(after)
    (line,) = usage(after, by="key")["data"]
    assert (line["key"], line["clips"]) == (first.prefix, 2)


def test_who_may_not_see_payments_is_told_of_their_own_alone(
    studio: Workspace, owner: User, member: User, issue: Callable[..., tuple[ApiKey, Client]]
) -> None:
    _, ci = issue("ci", "generate")
    _, other = issue("other", "generate")
    asked_by(ci)
    asked_by(other)
    asked_on_a_page(member, studio)
    asked_on_a_page(owner, studio)
    assert usage(ci)["total"]["clips"] == 1
    assert usage(people.browser_of(member, studio))["total"]["clips"] == 1
    assert usage(people.browser_of(owner, studio))["total"]["clips"] == 4
    assert "What you spent yourself" in people.browser_of(member, studio).get("/billing/usage/").text


def test_a_stranger_sees_nothing_of_it(studio: Workspace, issue: Callable[..., tuple[ApiKey, Client]]) -> None:
    asked_by(issue("ci", "generate")[1])
    stranger = people.person("stranger@example.org")
    assert usage(people.browser_of(stranger), by="day,key,member")["data"] == []
    assert Client().get("/v1/usage").status_code == 401


def test_what_a_visitor_spent_before_signing_in_counts(toy: Model) -> None:
    visitor = factories.visitor(credits=100)
    made = delivered(factories.submitted(visitor.workspace))
    alice = people.person()
    personal = workspaces.adopt(visitor=visitor, user=alice)
    said = usage(people.browser_of(alice, personal), by="model")
    assert said["data"][0]["charged"] == made.credits_quoted == budgets.spent_credits(personal.id)


def test_csv_has_the_same_lines(studio: Workspace, issue: Callable[..., tuple[ApiKey, Client]]) -> None:
    _, ci = issue("=ci()", "generate", "billing-read")
    asked_by(ci)
    answer = ci.get("/v1/usage?by=model,key&format=csv")
    assert answer["Content-Type"].startswith("text/csv")
    assert ".csv" in answer["Content-Disposition"]
    (row,) = csv.DictReader(io.StringIO(answer.text))
    (line,) = usage(ci, by="model,key")["data"]
    assert row.pop("key_name") == "'=ci()", "a spreadsheet would run it"
    line.pop("key_name")
    assert row == {name: str(value) for name, value in line.items()}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("since=yesterday", "invalid_since"),
        ("until=2026-02-30", "invalid_until"),
        ("until=9999-12-31", "invalid_until"),
        ("since=2026-03-02&until=2026-03-01", "invalid_since"),
        ("since=2026-01-01&until=2026-04-03", "span_too_long"),
        ("by=colour", "invalid_by"),
        ("format=xml", "invalid_format"),
        ("group=day", "unknown_parameter"),
    ],
)
def test_what_cannot_be_answered_is_refused(issue: Callable[..., tuple[ApiKey, Client]], said: str, code: str) -> None:
    answer = issue("ci", "generate")[1].get(f"/v1/usage?{said}")
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_a_span_of_as_many_days_as_may_be_is_answered(issue: Callable[..., tuple[ApiKey, Client]]) -> None:
    _, ci = issue("ci", "generate")
    assert usage(ci, since="2026-01-01", until="2026-04-02")["data"] == []


def test_one_query_adds_up_whatever_there_is(
    studio: Workspace, owner: User, issue: Callable[..., tuple[ApiKey, Client]]
) -> None:
    _, ci = issue("ci", "generate", "billing-read")
    browser = people.browser_of(owner, studio)
    counts = []
    for _ in range(2):
        asked_by(ci)
        usage(ci)
        browser.get("/billing/usage/")
        with CaptureQueriesContext(connection) as asked:
            usage(ci, by="day,model,key,member")
        with CaptureQueriesContext(connection) as shown:
            assert browser.get("/billing/usage/?by=day&by=key").status_code == 200
        counts.append((len(asked), len(shown)))
    assert counts[0] == counts[1]
    assert counts[0][0] == 2, "whose key it is, and what was spent"


def test_the_page_shows_each_line_and_leads_to_the_table(
    studio: Workspace, owner: User, issue: Callable[..., tuple[ApiKey, Client]]
) -> None:
    key, ci = issue("ci <b>", "generate")
    made = delivered(asked_by(ci))
    page = people.browser_of(owner, studio).get("/billing/usage/?by=key&by=model").text
    assert "ci &lt;b&gt;" in page
    assert key.prefix in page
    assert f"<dt>Credits</dt><dd><strong>{made.credits_quoted}</strong>" in page
    assert "<dt>Clips</dt><dd><strong>1</strong>" in page
    assert "/v1/usage?since=" in page
    assert "by=model%2Ckey&amp;format=csv" in page


def test_the_chart_stacks_what_each_day_s_clips_cost_and_puts_the_smallest_together(studio: Workspace) -> None:
    days = Span(date(2026, 11, 1), date(2026, 11, 3))
    lines = [
        Line({"day": "2026-11-02", "model": f"m{number}"}, "", f"Model {number}", Spent(charged=number, held=1))
        for number in range(1, 10)
    ]
    chart = chart_of(Usage(days, ("day", "model"), lines), "model")
    assert [(one.name, one.credits) for one in chart.series][:2] == [("Model 9", 10), ("Model 8", 9)]
    assert (chart.series[-1].name, chart.series[-1].credits) == ("Others", 3 + 2)
    assert [day.credits for day in chart.days] == [0, sum(range(2, 11)), 0]
    assert chart.colours["m9"] == 0
    assert chart.colours["m1"] == chart.colours["m2"] == chart.series[-1].colour
    assert sum(part.height for part in chart.days[1].parts) == pytest.approx(chart.height * 54 / chart.top)


def test_a_span_is_compared_with_as_many_days_right_before_it(owner: User, studio: Workspace) -> None:
    browser = people.browser_of(owner, studio)
    now = delivered(asked_on_a_page(owner, studio))
    earlier = delivered(asked_on_a_page(owner, studio))
    days_ago(earlier, 7)
    today = timezone.now().astimezone(UTC).date()
    page = browser.get(f"/billing/usage/?since={today - timedelta(days=6)}&until={today}").context
    assert page["total"].counted == now.credits_quoted
    assert page["before"].counted == earlier.credits_quoted
    assert page["change_percent"] == 0
