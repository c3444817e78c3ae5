"""Bringing a key, testing and removing it: on the page, by staff, and that nobody can read it anywhere after that."""

from __future__ import annotations

import io
import json
import logging
import threading
import zipfile
from typing import Any

import pytest
import redis
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings

from accounts import audit, exports
from accounts.caller import Caller
from accounts.models import AuditEntry
from accounts.roles import BY_ROLE, Role
from catalog.models import Model
from generation import reports
from generation.provider_keys import keeping
from generation.provider_keys.models import ProviderKey
from generation.scheduling import dispatch
from gpu_worker.contract import KeyTest
from gpu_worker.sealed_keys import PrivateKeys
from gpu_worker.valkey_names import rq_worker
from loremotion import queue_worker
from loremotion.refusals import Conflict, Invalid, Unavailable
from tests.accounts.factories import browser_of, person
from tests.patience import PATIENCE_SECONDS
from tests.provider_keys.conftest import FEE, OWN, PRICE, Host, Team, worker_on
from tests.remote.fake_api import Said, serving
from tests.remote.openai.fake import FakeOpenAI
from tests.remote.test_own_keys import everything_in

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/workspace/provider-keys/"


def rows_of_everything() -> str:
    """Every row of every table, as text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        tables = [name for (name,) in cursor.fetchall()]
        parts = [f"(SELECT coalesce(string_agg(it::text, ' '), '') FROM {table} it)" for table in tables]  # noqa: S608 - names of its own
        cursor.execute(f"SELECT concat_ws(' ', {', '.join(parts)})")
        return str(cursor.fetchone()[0])


def exported(team: Team) -> str:
    files = exports.zip_export(Caller(team.workspace, BY_ROLE[Role.OWNER]))
    with zipfile.ZipFile(io.BytesIO(b"".join(files))) as packed:
        return " ".join(packed.read(name).decode(errors="replace") for name in packed.namelist())


def test_a_key_that_is_brought_on_the_page_can_be_read_nowhere(
    team: Team, valkey: redis.Redis, private: PrivateKeys, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    worker_on(valkey, private)
    before = team.browser.get(PAGE).content.decode()
    assert "there" in before
    assert "20 %" in before
    answer = team.browser.post(f"{PAGE}new/", {"account": "there", "key": OWN}, follow=True)
    key = ProviderKey.objects.get()
    assert (key.workspace, key.account, key.hint, key.pair) == (team.workspace, "there", OWN[-4:], private.pairs[0])
    assert private.open(key.as_own_key(), "there").key == OWN
    clip = team.ask()
    dispatch.fill_window()
    assert f"{FEE} credits" in team.browser.get(f"/generations/{clip.id}/").content.decode()
    staff = browser_of(person("staff@example.org", is_staff=True))
    shown = [
        *(answer.content.decode(), exported(team), "".join(audit.as_csv(team.workspace))),
        *(staff.get(f"/admin/provider_keys/providerkey/{part}").content.decode() for part in ("", f"{key.id}/change/")),
    ]
    for text in shown:
        assert key.shown in text or key.hint in text
        assert key.sealed not in text
    everywhere = [*shown, rows_of_everything(), everything_in(valkey), caplog.text]
    assert key.sealed in everywhere[-3], "it is looked for where it would be"
    assert key.sealed in everywhere[-2]
    assert not any(OWN in text for text in everywhere)
    assert key.sealed not in caplog.text


@pytest.mark.parametrize("wrong", ["", "short", "with spaces in it", "and\r\nX-Header: a new line", "ключ-из-букв"])
def test_what_cannot_be_a_key_is_refused_and_not_shown_again(team: Team, wrong: str) -> None:
    answer = team.browser.post(f"{PAGE}new/", {"account": "there", "key": wrong})
    assert answer.status_code in (400, 422)
    assert not ProviderKey.objects.exists()
    if wrong:
        assert wrong not in answer.content.decode()


def test_without_a_pair_nothing_is_offered_and_staff_is_told(
    team: Team, valkey: redis.Redis, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.REMOTE_KEYS_PUBLIC = ""
    assert "Provider keys</a>" not in team.browser.get("/workspace/").content.decode()
    answer = team.browser.post(f"{PAGE}new/", {"account": "there", "key": OWN})
    assert answer.status_code == 409
    assert "not set up on this site" in answer.content.decode()
    staff = browser_of(person("staff@example.org", is_staff=True))
    assert "REMOTE_KEYS_PUBLIC is not set" in staff.get("/admin/provider_keys/providerkey/").content.decode()
    assert "note  provider keys: Workspaces can&#x27;t bring".replace("&#x27;", "'") in doctor(capsys)


def test_keys_of_a_site_that_offers_none_any_more_can_still_be_reached(
    team: Team, valkey: redis.Redis, settings: Settings
) -> None:
    team.bring()
    settings.REMOTE_KEYS_PUBLIC = ""
    assert "Provider keys</a>" in team.browser.get("/workspace/").content.decode()


def doctor(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        call_command("doctor")
    return capsys.readouterr().out


def test_the_doctor_misses_whoever_opens_what_is_kept(
    team: Team, valkey: redis.Redis, private: PrivateKeys, capsys: pytest.CaptureFixture[str]
) -> None:
    team.bring()
    worker_on(valkey, None)
    assert f"BAD   provider keys: No remote worker that is on opens keys of the pair {private.pairs[0]}" in (
        doctor(capsys)
    )
    worker_on(valkey, private)
    assert "provider keys" not in doctor(capsys)


def test_a_test_is_asked_of_a_remote_worker_and_answered_on_the_page(team: Team, host: Host, mp4: bytes) -> None:
    key = team.bring()
    with pytest.raises(Unavailable, match="no remote worker"):
        keeping.ask_test(key)
    worker_on(host.connection, host.private)
    broadcast: Any = host.connection
    heard = broadcast.pubsub()
    heard.subscribe(f"rq:pubsub:{rq_worker('far-1')}")
    heard.get_message(timeout=PATIENCE_SECONDS)
    team.browser.post(f"{PAGE}{key.id}/test/")
    with pytest.raises(Conflict, match="being tested"):
        keeping.ask_test(key)
    assert "Being tested" in team.browser.get(PAGE).content.decode()
    message = heard.get_message(timeout=PATIENCE_SECONDS)
    heard.close()
    with serving(FakeOpenAI(mp4)) as server:
        server.next = [Said(403)]
        host.worker(server).on_command(json.loads(message["data"]))
        for thread in [thread for thread in threading.enumerate() if thread.name == "key-test"]:
            thread.join(PATIENCE_SECONDS)
    assert [(asked.method, asked.path) for asked in server.asked] == [("GET", "/v1/models")]
    queue_worker.work("reports", burst=True)
    page = team.browser.get(PAGE).content.decode()
    assert "Example does not take it (403)." in page
    assert "refused until the key works again" in page
    with pytest.raises(Conflict):
        team.ask()


def test_an_answer_is_believed_once_and_of_whoever_was_asked_alone(
    team: Team, valkey: redis.Redis, private: PrivateKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = team.bring()
    worker_on(valkey, private)
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr("gpu_worker.commands.send_command", lambda *_, **said: asked.append(said))
    keeping.ask_test(key)
    said = (str(key.id), asked[0]["number"], asked[0]["secret"])
    assert not reports.key_tested(said[0], said[1], "forged", "refused", "No.")
    assert not reports.key_tested(said[0], 2, said[2], "refused", "No.")
    assert not reports.key_tested(*said, "odd", "No.")
    assert not reports.key_tested("no id", said[1], said[2], "refused", "No.")
    assert reports.key_tested(*said, KeyTest.UNTOLD, "Example did not answer.\x00")
    key.refresh_from_db()
    assert (key.state, key.said) == (ProviderKey.State.NEW, "Example did not answer.")
    assert not reports.key_tested(*said, KeyTest.REFUSED, "No.")
    keeping.ask_test(key)
    assert not reports.key_tested(*said, KeyTest.REFUSED, "No."), "it answers the test before"
    assert reports.key_tested(said[0], 2, asked[1]["secret"], KeyTest.WORKS, "Yes.")
    key.refresh_from_db()
    assert key.state == ProviderKey.State.WORKS


def test_before_asking_the_form_says_whose_key_it_is_and_what_it_costs(team: Team, valkey: redis.Redis) -> None:
    said = {"model": "far", "prompt": "a kite", "seconds": "1"}
    assert team.browser.get("/generations/price/", said).json()["credits"] == PRICE
    assert "own key" not in team.browser.get("/", {"model": "far"}).content.decode()
    team.bring()
    assert team.browser.get("/generations/price/", said).json()["credits"] == FEE
    assert "your workspace&#x27;s own key" in team.browser.get("/", {"model": "far"}).content.decode()


def test_staff_removes_a_key_and_the_workspace_reads_who_did(team: Team, valkey: redis.Redis) -> None:
    key = team.bring()
    staff = browser_of(person("staff@example.org", is_staff=True))
    answer = staff.post(
        f"/admin/provider_keys/providerkey/{key.id}/change/", {"action": "remove", "_selected_action": str(key.id)}
    )
    assert answer.status_code == 302
    assert not ProviderKey.objects.exists()
    assert AuditEntry.objects.get(event="provider_key.removed").actor.startswith("staff staff@example.org")
    assert team.ask().credits_quoted == PRICE


def test_a_key_with_two_halves_needs_both(team: Team) -> None:
    account = keeping.RemoteAccount("kling", "Kling", ("Kling 3",), has_secret=True)
    with pytest.raises(Invalid) as refusal:
        keeping.add(team.workspace, account, key=OWN, secret="", actor="somebody")
    assert refusal.value.field == "secret"


def test_where_no_provider_makes_clips_nothing_is_said_of_their_bills(team: Team) -> None:
    bills = "the provider bills you"
    assert bills in team.browser.get(PAGE).content.decode()
    Model.objects.all().update(status=Model.Status.DRAFT)
    page = team.browser.get(PAGE).content.decode()
    assert bills not in page
    assert "No model of this site is made by another company" in page
    assert 'href="/models/"' in page
