"""Staff bans a visitor, or a network: a clear refusal, what runs is cancelled, and it is noted who did it and why."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis
import time_machine
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.formats import date_format
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from accounts import audit, bans, networks, visitors, workspaces
from accounts.models import AuditEntry, Ban, User, Visitor
from billing import ledger
from catalog.models import Model
from generation.models import Generation
from loremotion.refusals import Conflict, Forbidden
from tests.accounts.factories import browser_of, person, sign_in
from tests.accounts.test_claiming import sign_up
from tests.generation import factories as generations

PROMPT = {"prompt": "a red circle"}
BAD = {"X-Forwarded-For": "203.0.113.9"}
NEIGHBOUR = {"X-Forwarded-For": "203.0.113.200"}
GOOD = {"X-Forwarded-For": "198.51.100.9"}


@pytest.fixture
def staff(db: None) -> User:
    return person("staff@example.org", is_staff=True)


@pytest.fixture(autouse=True)
def behind_a_proxy(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = 1


def add(staff: User, **said: str) -> int:
    """Staff fills the form in; the answer's status."""
    body = {"visitor": "", "address": "", "reason": "made spam", "until_0": "", "until_1": ""} | said
    return browser_of(staff).post("/admin/accounts/ban/add/", body).status_code


def newcomer(**where: str) -> Client:
    return Client(headers=where)


def test_a_banned_visitor_is_refused_and_what_runs_is_cancelled(toy: Model, visitor: Visitor, staff: User) -> None:
    generation = generations.submitted(visitor.workspace)
    before = ledger.balance(account=visitor.workspace_id)
    chosen = {"action": "ban_visitor", "_selected_action": str(visitor.workspace_id)}
    form = browser_of(staff).post("/admin/accounts/workspace/", chosen)["Location"]
    assert str(visitor.id) in browser_of(staff).get(form).text
    assert add(staff, visitor=str(visitor.id)) == 302

    generation.refresh_from_db()
    assert generation.state == "cancelled"
    assert ledger.balance(account=visitor.workspace_id).available == before.available + before.held
    browser = browser_of(visitor)
    for address in ("/history/", f"/generations/{generation.id}/", f"/generations/{generation.id}/events/"):
        answer = browser.get(address)
        assert (answer.status_code, "made spam" in answer.text) == (403, True), address
    assert "made spam" in browser.post("/generations/", PROMPT).text
    told = browser.get("/v1/videos")
    assert (told.status_code, told.json()["code"]) == (403, "banned")
    assert Generation.objects.count() == 1
    entry = AuditEntry.objects.get(event="visitor.banned")
    assert (entry.workspace_id, entry.actor) == (visitor.workspace_id, "staff staff@example.org")
    assert entry.detail == {"reason": "made spam", "until": None}


def test_the_banned_still_take_along_and_erase_what_is_theirs(toy: Model, visitor: Visitor, staff: User) -> None:
    bans.ban_visitor(visitor, by=staff, reason="x")
    browser = browser_of(visitor)
    assert browser.get("/data/export.zip").status_code == 200
    assert browser.post("/data/erase/", {"word": "erase"}).status_code == 302
    assert not Visitor.objects.exists()


def test_a_ban_ends_by_itself_or_when_it_is_lifted(toy: Model, visitor: Visitor, staff: User) -> None:
    until = timezone.now() + timedelta(days=2)
    assert add(staff, visitor=str(visitor.id), until_0=f"{until:%Y-%m-%d}", until_1=f"{until:%H:%M:%S}") == 302
    browser = browser_of(visitor)
    answer = browser.get("/history/")
    assert answer.status_code == 403
    assert f"until {date_format(until, 'DATE_FORMAT')}" in answer.text
    with time_machine.travel(until + timedelta(minutes=1)):
        assert browser.get("/history/").status_code == 200
    lifting = {"action": "lift_selected", "_selected_action": str(Ban.objects.get().id)}
    for _ in range(2):
        browser_of(staff).post("/admin/accounts/ban/", lifting)
    assert browser.get("/history/").status_code == 200
    assert AuditEntry.objects.filter(event="visitor.unbanned").count() == 1


def test_a_network_is_banned_by_an_address_that_is_not_kept(toy: Model, staff: User) -> None:
    known = newcomer(**BAD)
    known.post("/generations/", PROMPT)
    assert add(staff, address="203.0.113.77") == 302
    assert Generation.objects.get().state == "cancelled"
    assert "203.0.113" not in str([list(model.objects.values()) for model in (Ban, Visitor, AuditEntry)])

    assert known.get("/history/").status_code == 403
    fresh = newcomer(**NEIGHBOUR)
    assert fresh.get("/").status_code == 200
    refused = fresh.post("/generations/", PROMPT)
    assert refused.status_code == 403
    assert "have blocked new visitors from your network: made spam." in refused.text
    assert fresh.post("/v1/videos", PROMPT, headers=NEIGHBOUR).status_code == 403
    assert newcomer(**GOOD).post("/generations/", PROMPT).status_code == 302
    assert known.get("/history/", headers=GOOD).status_code == 200  # the network is banned, not the visitor
    assert Visitor.objects.count() == 2


def test_what_the_audit_log_knows_of_networks_goes_after_a_week(visitor: Visitor, staff: User) -> None:
    audit.record(visitor.workspace, "x.done", actor="somebody", request=RequestFactory().get("/"))
    assert AuditEntry.objects.get(event="x.done").network
    assert audit.forget_networks(limit=10) == 0
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        assert audit.forget_networks(limit=10) == 1
    assert AuditEntry.objects.get(event="x.done").network == ""


def test_the_network_of_a_visitor_can_be_banned_with_them(toy: Model, staff: User) -> None:
    newcomer(**BAD).post("/generations/", PROMPT)
    visitor = Visitor.objects.get()
    assert add(staff, visitor=str(visitor.id), and_network="on") == 302
    assert newcomer(**NEIGHBOUR).post("/generations/", PROMPT).status_code == 403
    assert Ban.objects.count() == 2


def test_where_visitors_came_from_is_known_for_a_week(toy: Model, staff: User) -> None:
    newcomer(**BAD).post("/generations/", PROMPT)
    assert visitors.forget_networks(limit=10) == 0
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        assert visitors.forget_networks(limit=10) == 1
    visitor = Visitor.objects.get()
    assert visitor.network == ""
    assert add(staff, visitor=str(visitor.id), and_network="on") == 200  # the form again, with what is wrong
    assert not Ban.objects.exists()


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"address": "nonsense"},
        {"address": "10.0.0.0/8"},
        {"visitor": "nobody"},
        {"address": "1.2.3.4", "reason": ""},
    ],
)
def test_a_ban_of_nobody_or_of_half_the_world_is_not_made(staff: User, said: dict[str, str]) -> None:
    assert add(staff, **said) == 200
    assert not Ban.objects.exists()


def test_signing_up_or_claiming_washes_nothing_clean(toy: Model, visitor: Visitor, alice: User, staff: User) -> None:
    link = browser_of(visitor).get("/account/").context["claim_link"]
    bans.ban_visitor(visitor, by=staff, reason="x")
    browser = browser_of(visitor)
    assert "Sign-up is closed here" in browser.get("/account/signup/").text
    sign_in(browser, alice.email)
    assert Visitor.objects.filter(id=visitor.id).exists()
    assert ledger.balance(account=workspaces.personal_of(alice).id).available == 0
    other = browser_of(generations.visitor())
    assert other.post(link).status_code == 409
    assert browser_of(visitor).get("/history/").status_code == 403


def test_nobody_new_signs_up_from_a_banned_network_and_who_has_an_account_goes_on(
    toy: Model, alice: User, staff: User
) -> None:
    bans.ban_network(networks.lasting_fingerprint("203.0.113.0"), by=staff, reason="x")
    stranger = newcomer(**BAD)
    stranger.post("/account/signup/", {"email": "new@example.org", "password1": "correct horse battery"})
    assert not User.objects.filter(email="new@example.org").exists()
    person_there = newcomer(**BAD)
    sign_in(person_there, alice.email)
    assert person_there.post("/generations/", PROMPT).status_code == 302
    assert sign_up(newcomer(**GOOD)).email == "new@example.org"


def test_a_visitor_who_became_a_person_is_not_banned_as_a_visitor(visitor: Visitor, alice: User, staff: User) -> None:
    workspaces.adopt(visitor=visitor, user=alice)
    with pytest.raises(Conflict, match="Suspend the workspace"):
        bans.ban_visitor(visitor, by=staff, reason="x")


def test_it_takes_the_permission(visitor: Visitor) -> None:
    helper = person("helper@example.org")
    User.objects.filter(id=helper.id).update(is_staff=True)
    helper.user_permissions.add(*Permission.objects.filter(codename__in=["view_ban", "view_workspace"]))
    assert add(helper, visitor=str(visitor.id)) == 403
    assert not Ban.objects.exists()


def test_a_ban_outlives_valkey_and_costs_no_query_however_many_there_are(
    visitor: Visitor, staff: User, valkey: redis.Redis
) -> None:
    request = RequestFactory().get("/")
    request.COOKIES["visitor"] = browser_of(visitor).cookies["visitor"].value
    counts = []
    for bans_there in (0, 50):
        Ban.objects.bulk_create(
            [Ban(network=networks.lasting_fingerprint(f"10.0.{n}.0"), reason="x") for n in range(bans_there)]
        )
        with CaptureQueriesContext(connection) as queries:
            assert visitors.visitor_and_ban_of(request) == (visitor, None)
        counts.append(len(queries))
    assert counts == [1, 1]
    made = bans.ban_visitor(visitor, by=staff, reason="x")
    valkey.flushdb()
    assert visitors.visitor_and_ban_of(request) == (visitor, made) == (visitor, bans.against(request, visitor))
    assert browser_of(visitor).get("/history/").status_code == 403


def test_a_ban_is_of_one_thing(visitor: Visitor) -> None:
    for whom in ({}, {"visitor": visitor, "network": "x"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Ban.objects.create(reason="x", **whom)


def test_a_ban_of_a_network_outlives_its_secret_key(toy: Model, staff: User, settings: Settings) -> None:
    known = Client(REMOTE_ADDR="203.0.113.7")
    assert known.post("/generations/", {"prompt": "a fox"}).status_code == 302
    bans.ban_network(networks.lasting_fingerprint("203.0.113.0"), by=staff, reason="spam")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the key that replaced it, long enough to be one"
    for browser in (known, Client(REMOTE_ADDR="203.0.113.8")):
        assert browser.post("/generations/", {"prompt": "a fox"}).status_code == 403
    assert Client(REMOTE_ADDR="198.51.100.1").post("/generations/", {"prompt": "a fox"}).status_code == 302


def test_two_networks_never_share_a_hash_with_the_days_or_each_other() -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="203.0.113.9")
    assert networks.lasting_fingerprint_of(request) == networks.lasting_fingerprint("203.0.113.0")
    assert networks.lasting_fingerprint_of(request) != networks.fingerprint_of(request)


@given(st.ip_addresses())
def test_every_address_lies_in_the_network_around_it(address: object) -> None:
    prefix = networks.prefix_around(str(address))
    assert networks.prefix_around(prefix) == prefix


def test_an_ipv4_caller_on_a_socket_for_both_kinds_is_of_their_own_network() -> None:
    """All of them would be one network otherwise, and banned or counted as one."""
    for address, prefix in (("::ffff:203.0.113.9", "203.0.113.0"), ("::ffff:127.0.0.1", "127.0.0.0")):
        request = RequestFactory().get("/", REMOTE_ADDR=address)
        assert networks.prefix_of(request) == networks.prefix_around(address) == prefix
    assert networks.is_loopback(RequestFactory().get("/", REMOTE_ADDR="::ffff:127.0.0.1"))
    with pytest.raises(ValueError, match="larger"):
        networks.prefix_around("::ffff:203.0.113.9/100")


def test_a_refusal_is_a_sentence(visitor: Visitor) -> None:
    said = bans.refusal(Ban(visitor=visitor, reason="It made spam."))
    assert isinstance(said, Forbidden)
    assert str(said).startswith("The people who run this site have blocked this browser: It made spam. If")
