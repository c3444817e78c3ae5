"""What a key or a member may spend in a day and in a month: never passed, and told of before it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.db import connection, transaction
from django.test import Client
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts import api_keys, members
from accounts.caller import Caller
from accounts.models import ApiKey, AuditEntry, Membership, User, Workspace
from accounts.roles import BY_ROLE, BY_SCOPE, Role
from billing import ledger
from billing.models import Hold
from billing.shop import budgets
from billing.shop.models import Budget
from catalog.models import Model
from catalog.offers import Offer, make_offer
from catalog.requests import Ask
from generation import spending
from generation.models import Generation
from generation.settlement import settle
from generation.submission import spending_caps
from generation.submission.submit import submit
from loremotion.outbox.models import MailMessage
from loremotion.refusals import Forbidden
from tests.accounts import factories as people
from tests.generation import factories
from tests.patience import PATIENCE_SECONDS
from tests.properties import examples

pytestmark = pytest.mark.django_db

GENERATE = BY_SCOPE["generate"]


@pytest.fixture
def owner(toy: Model) -> User:
    return people.person("owner@example.org")


@pytest.fixture
def studio(owner: User) -> Workspace:
    made = people.team(owner, "Studio")
    ledger.grant(account=made.id, reference=f"test:{made.id}", amount=100_000, kind=ledger.LotKind.PACK)
    return made


@pytest.fixture
def offer(toy: Model) -> Offer:
    return make_offer(Ask(prompt="a fox", seconds=1))


def issued(
    studio: Workspace, *, daily_cap_credits: int | None = None, monthly_cap_credits: int | None = None
) -> tuple[ApiKey, str]:
    owner = studio.memberships.get(role=Role.OWNER).user
    return api_keys.issue(
        workspace=studio,
        by=owner,
        allowed=BY_ROLE[Role.OWNER],
        name="agent",
        scopes=["generate"],
        daily_cap_credits=daily_cap_credits,
        monthly_cap_credits=monthly_cap_credits,
    )


def program(studio: Workspace, key: ApiKey) -> Caller:
    return Caller(studio, GENERATE, key=ApiKey.objects.select_related("workspace").get(id=key.id))


def spent_by(key: ApiKey) -> int:
    """By the ledger: what is set aside or charged for what the key asked for."""
    holds = Hold.objects.filter(id__in=Generation.objects.filter(api_key=key.line_id).values("id"))
    return sum(hold.amount if hold.state == Hold.State.OPEN else hold.captured for hold in holds)


def asked_for(studio: Workspace, offer: Offer, key: ApiKey) -> Generation | None:
    """What the key's request makes; None where a cap forbids it."""
    try:
        return submit(workspace=studio, offer=offer, caller=program(studio, key))
    except Forbidden as refusal:
        if refusal.code != "cap_reached":
            raise
        return None


STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "ask", "cancel", "deliver"]), st.integers(1, 5)), min_size=1, max_size=9
)


@hypothesis_settings(max_examples=examples(12))
@given(steps=STEPS, daily=st.none() | st.integers(0, 60), monthly=st.none() | st.integers(0, 60))
def test_whatever_is_asked_given_back_and_charged_no_cap_is_passed(
    steps: list[tuple[str, int]], daily: int | None, monthly: int | None
) -> None:
    with transaction.atomic():  # of this example alone
        factories.model()
        owner = people.person("owner@example.org")
        studio = people.team(owner, "Studio")
        ledger.grant(account=studio.id, reference=f"test:{studio.id}", amount=10_000, kind=ledger.LotKind.PACK)
        key, _ = issued(studio, daily_cap_credits=daily, monthly_cap_credits=monthly)
        cap = min((limit for limit in (daily, monthly) if limit is not None), default=10_000)
        waiting: list[Generation] = []
        for step, seconds in steps:
            before = spent_by(key)
            if step == "ask":
                wanted = make_offer(Ask(prompt="a fox", seconds=seconds))
                made = asked_for(studio, wanted, key)
                assert (made is not None) == (before + wanted.quote.credits <= cap)
                waiting.extend([made] if made is not None else [])
            elif waiting and step == "cancel":
                settle.cancel(waiting.pop())
            elif waiting:
                made = waiting.pop()
                factories.deliver_clip(made)
                settle.settle(factories.report(made))
            assert spent_by(key) <= cap
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["daily_cap_credits", "monthly_cap_credits"])
def test_of_two_that_race_for_the_last_of_a_cap_one_is_refused(toy: Model, name: str) -> None:
    owner = people.person("owner@example.org")
    studio = people.team(owner, "Studio")
    ledger.grant(account=studio.id, reference=f"test:{studio.id}", amount=1_000, kind=ledger.LotKind.PACK)
    offer = make_offer(Ask(prompt="a fox", seconds=1))
    key, _ = issued(studio, **{name: 2 * offer.quote.credits - 1})
    caller, barrier, outcomes = program(studio, key), threading.Barrier(2), list[str]()

    def ask() -> None:
        try:
            barrier.wait(PATIENCE_SECONDS)
            submit(workspace=studio, offer=offer, caller=caller)
            outcomes.append("made")
        except Forbidden as refusal:
            outcomes.append(refusal.code)
        finally:
            connection.close()

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(PATIENCE_SECONDS)
    assert sorted(outcomes) == ["cap_reached", "made"]
    assert spent_by(key) == offer.quote.credits


NOON = datetime.fromisoformat("2027-03-10T12:00:00+00:00")


def moved(generation: Generation, then: datetime) -> None:
    """Move a clip and its hold to another time, which the ledger's guards let nobody do but a test."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE ledger_hold SET held_at = %s WHERE id = %s", [then, generation.id])
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    Generation.objects.filter(id=generation.id).update(created_at=then)
    spending.recount(generation.workspace_id)


@pytest.fixture
def at_noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.mark.parametrize(
    ("ago", "is_of_the_day", "is_of_the_month"),
    [
        (timedelta(hours=12), True, True),
        (timedelta(hours=12, seconds=1), False, True),
        (timedelta(days=9, hours=12), False, True),
        (timedelta(days=9, hours=12, seconds=1), False, False),
    ],
)
def test_a_day_and_a_month_begin_at_midnight(
    at_noon: None, studio: Workspace, offer: Offer, ago: timedelta, is_of_the_day: bool, is_of_the_month: bool
) -> None:
    price = offer.quote.credits
    for name, counts in (("daily_cap_credits", is_of_the_day), ("monthly_cap_credits", is_of_the_month)):
        key, _ = issued(studio, **{name: price})
        moved(submit(workspace=studio, offer=offer, caller=program(studio, key)), NOON - ago)
        if not counts:
            assert submit(workspace=studio, offer=offer, caller=program(studio, key))
            continue
        with pytest.raises(Forbidden, match="with 0 left"):
            submit(workspace=studio, offer=offer, caller=program(studio, key))


def test_a_member_has_a_daily_cap_too_and_the_page_sets_it(studio: Workspace, owner: User) -> None:
    bob = people.person("bob@example.org")
    place = Membership.objects.create(workspace=studio, user=bob, role=Role.MEMBER)
    said = {"role": "member", "daily_cap_credits": "3", "monthly_cap_credits": ""}
    people.browser_of(owner, studio).post(f"/workspace/members/{place.id}/", said)
    place.refresh_from_db()
    assert (place.daily_cap_credits, place.monthly_cap_credits) == (3, None)
    browser = people.browser_of(bob, studio)
    answer = browser.post("/v1/videos", {"prompt": "a fox"}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "cap_reached")
    assert "3 credits a day here, with 3 left today" in answer.json()["detail"]
    assert browser.get("/v1/me").json()["daily_cap"] == {"daily_credits": 3, "spent": 0, "left": 3}


def test_a_key_s_caps_are_changed_on_its_page_for_its_whole_line(studio: Workspace, owner: User) -> None:
    old, before = issued(studio, monthly_cap_credits=1)
    new, after = api_keys.rotate(key=old, by=owner, allowed=BY_ROLE[Role.OWNER])
    browser = people.browser_of(owner, studio)
    browser.post(f"/workspace/keys/{new.id}/limits/", {"daily_cap_credits": "500", "monthly_cap_credits": ""})
    assert {(key.daily_cap_credits, key.monthly_cap_credits) for key in ApiKey.objects.all()} == {(500, None)}
    for text in (before, after):
        client = Client(headers={"Authorization": f"Bearer {text}"})
        assert client.post("/v1/videos", {"prompt": "a fox"}, content_type="application/json").status_code == 200
    told = AuditEntry.objects.get(event="key.changed").detail
    assert (told["before"]["monthly_cap_credits"], told["after"]["daily_cap_credits"]) == (1, 500)
    page = browser.get("/workspace/keys/").text
    assert 'aria-label="Daily limit in credits for agent" value="500"' in page


def test_the_page_of_keys_says_what_each_spent_of_its_limits_also_before_it_was_rotated(
    studio: Workspace, owner: User
) -> None:
    key, text = issued(studio, monthly_cap_credits=500)
    client = Client(headers={"Authorization": f"Bearer {text}"})
    for _ in range(2):
        client.post("/v1/videos", {"prompt": "a fox"}, content_type="application/json")
    first, second = Generation.objects.order_by("created_at")
    moved(first, budgets.Period.DAY.began - timedelta(days=40))
    api_keys.rotate(key=key, by=owner, allowed=BY_ROLE[Role.OWNER])
    issued(studio)
    shown = people.browser_of(owner, studio).get("/workspace/keys/")
    assert [spent and spent.lately for _, spent in shown.context["keys"]] == [None, *2 * [second.credits_quoted]]
    assert f"{second.credits_quoted} of 500" in shown.text


def test_who_does_not_manage_keys_changes_none(studio: Workspace) -> None:
    key, _ = issued(studio, monthly_cap_credits=1)
    bob = people.person("bob@example.org")
    Membership.objects.create(workspace=studio, user=bob, role=Role.MEMBER)
    people.browser_of(bob, studio).post(f"/workspace/keys/{key.id}/limits/", {"monthly_cap_credits": "9"})
    with pytest.raises(Forbidden):
        api_keys.change_terms(key=key, by=bob, daily_cap_credits=None, monthly_cap_credits=9)
    key.refresh_from_db()
    assert key.monthly_cap_credits == 1


def test_limits_that_are_no_numbers_change_nothing(studio: Workspace, owner: User) -> None:
    key, _ = issued(studio, monthly_cap_credits=7)
    answer = people.browser_of(owner, studio).post(f"/workspace/keys/{key.id}/limits/", {"monthly_cap_credits": "-1"})
    assert answer.status_code == 422
    key.refresh_from_db()
    assert key.monthly_cap_credits == 7


def test_a_revoked_key_s_caps_are_nobody_s_to_change(studio: Workspace, owner: User) -> None:
    key, _ = issued(studio)
    api_keys.revoke(key=key, actor="owner")
    answer = people.browser_of(owner, studio).post(f"/workspace/keys/{key.id}/limits/", {"monthly_cap_credits": "9"})
    assert answer.status_code == 409


def subjects() -> list[str]:
    people.post_mail()
    return sorted(f"{letter.to[0]}: {letter.subject}" for letter in mail.outbox)


def test_whoever_set_a_cap_is_told_once_at_50_at_80_and_at_100_per_cent(studio: Workspace, offer: Offer) -> None:
    key, _ = issued(studio, monthly_cap_credits=10 * offer.quote.credits)
    told: list[int] = []
    for number in range(1, 11):
        made = submit(workspace=studio, offer=offer, caller=program(studio, key))
        told.extend([number] * (MailMessage.objects.count() - len(told)))
        if number in (5, 8):  # given back and spent again: told of it by then
            settle.cancel(made)
            submit(workspace=studio, offer=offer, caller=program(studio, key))
    assert told == [5, 8, 10]
    words = "owner@example.org: The API key agent has"
    assert subjects() == [
        f"{words} reached its limit this month",
        f"{words} used 50 % of its limit this month",
        f"{words} used 80 % of its limit this month",
    ]
    assert "/billing/usage/" in str(mail.outbox[0].body)


def test_a_raised_cap_is_told_of_anew(studio: Workspace, owner: User, offer: Offer) -> None:
    price = offer.quote.credits
    key, _ = issued(studio, daily_cap_credits=2 * price)
    submit(workspace=studio, offer=offer, caller=program(studio, key))
    api_keys.change_terms(key=key, by=owner, daily_cap_credits=4 * price, monthly_cap_credits=None)
    submit(workspace=studio, offer=offer, caller=program(studio, key))
    assert MailMessage.objects.count() == 2


def test_a_member_is_told_of_their_own_cap_and_no_other_member_is(studio: Workspace, offer: Offer) -> None:
    bob, eve = people.person("bob@example.org"), people.person("eve@example.org")
    Membership.objects.create(workspace=studio, user=eve, role=Role.MEMBER)
    place = Membership.objects.create(
        workspace=studio, user=bob, role=Role.MEMBER, daily_cap_credits=2 * offer.quote.credits
    )
    submit(workspace=studio, offer=offer, caller=Caller(studio, BY_ROLE[Role.MEMBER], membership=place))
    assert subjects() == [
        f"{who}@example.org: bob@example.org has used 50 % of its limit today" for who in ("bob", "owner")
    ]


def test_nobody_is_told_who_has_left_or_of_a_member_who_has(studio: Workspace, owner: User, offer: Offer) -> None:
    bob = people.person("bob@example.org")
    place = Membership.objects.create(
        workspace=studio, user=bob, role=Role.MEMBER, daily_cap_credits=offer.quote.credits
    )
    submit(workspace=studio, offer=offer, caller=Caller(studio, BY_ROLE[Role.MEMBER], membership=place))
    members.remove(membership=place, by=studio.memberships.get(role=Role.OWNER))
    assert subjects() == []


def test_a_request_that_is_refused_tells_nobody(studio: Workspace, offer: Offer) -> None:
    key, _ = issued(studio, monthly_cap_credits=2 * offer.quote.credits)
    Budget.objects.create(workspace=studio.id, monthly_cap_credits=0)
    with pytest.raises(budgets.OverBudget):
        submit(workspace=studio, offer=offer, caller=program(studio, key))
    assert not MailMessage.objects.exists()


@pytest.mark.parametrize("address", ["", "money@example.org"])
def test_who_pays_is_told_of_the_workspace_s_own_cap(studio: Workspace, offer: Offer, address: str) -> None:
    price = offer.quote.credits
    Budget.objects.create(workspace=studio.id, monthly_cap_credits=2 * price, warn_address=address)
    for _ in range(2):
        submit(workspace=studio, offer=offer)
    reader = address or "owner@example.org"
    assert subjects() == [
        f"{reader}: Studio has reached its monthly limit",
        f"{reader}: Studio has used 50 % of its monthly limit",
    ]


@given(cap=st.integers(1, 1_000), prices=st.lists(st.integers(1, 300), max_size=30))
def test_each_share_is_reached_by_the_request_that_first_has_it(cap: int, prices: list[int]) -> None:
    spent, told = 0, set[int]()
    for price in prices:
        if spent + price > cap:
            continue
        spent += price
        told.add(budgets.percent_passed(cap=cap, spent=spent, credits=price))
        for percent in budgets.ALERTED_PERCENT:
            if 100 * spent >= percent * cap:
                assert max(told) >= percent, "so much is used, and nobody was told"
        assert (spent >= cap) == (100 in told), "a limit is said to be reached once nothing of it is left"


def test_without_a_cap_nothing_is_added_up(studio: Workspace, offer: Offer, django_assert_num_queries: Any) -> None:
    key, _ = issued(studio)
    with django_assert_num_queries(0):
        assert spending_caps.caps_of(Caller(studio, GENERATE, key=key)) == []
