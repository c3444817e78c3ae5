"""Connections are lent for as long as the database is asked."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from io import BytesIO
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import psycopg
import pytest
import redis
import requests
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.core.files.base import ContentFile
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.utils import timezone
from pytest_django import Settings

from accounts import exports
from accounts.openid import id_tokens
from accounts.openid.adapter import SocialAdapter
from accounts.passwords import Argon2
from accounts.proofs import turnstile
from billing.shop import gateway, locks
from billing.shop.errors import StripeIsAway
from billing.shop.models import Lock
from generation.models import Clip, Generation
from generation.provenance import inspection, signing
from generation.storage import conversions
from generation.storage.s3 import S3Store, StoreUnavailable
from generation.submission import pictures
from loremotion import database, metrics, outbound, smtp, storage_url
from tests.accounts.factories import person

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_connection_whose_session_holds_a_lock_is_kept() -> None:
    take()
    mine = connection.connection
    with database.kept():
        database.give_back()
        assert connection.connection is mine
    database.give_back()
    assert connection.connection is None


def take() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def is_taken() -> bool:
    return connection.connection is not None


def test_a_connection_is_given_back_and_taken_again() -> None:
    take()
    database.give_back()
    assert not is_taken()
    take()
    assert is_taken()


def test_inside_a_transaction_it_stays() -> None:
    with transaction.atomic():
        take()
        database.give_back()
        assert is_taken()


def test_who_is_alone_with_something_keeps_no_connection_and_lets_nobody_else_in() -> None:
    with locks.alone_with("a test"), locks.alone_with("another"):
        database.give_back()
        assert not is_taken()
        with locks.alone_with("a test"):  # of one's own
            pass
        with pytest.raises(locks.Busy):
            _in_another_thread(lambda: _enter("a test"))
    _in_another_thread(lambda: _enter_patiently("a test"))
    assert not Lock.objects.exists()


def _enter(subject: str) -> None:
    with locks.alone_with(subject, is_patient=False):
        raise AssertionError("it was free")


def _in_another_thread(act: Callable[[], None]) -> None:
    """Do it there, and raise here what it raises."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:
            raised.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    for error in raised:
        raise error


def test_who_waits_for_a_lock_in_vain_hears_that_stripe_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.01)
    with locks.alone_with("one"), pytest.raises(StripeIsAway):
        _in_another_thread(lambda: _enter_patiently("one"))


def test_who_meets_a_lock_that_is_being_written_hears_that_it_is_taken() -> None:
    def enter() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '10ms'")
        _enter("one")

    with locks.alone_with("one"), transaction.atomic():
        locks.renew()
        with pytest.raises(locks.Busy):
            _in_another_thread(enter)


def test_a_lock_of_a_process_that_died_lapses() -> None:
    Lock.objects.create(subject="one", holder=uuid4(), lapses_at=timezone.now() - timedelta(seconds=1))
    with locks.alone_with("one", is_patient=False):
        locks.renew()
    Lock.objects.create(subject="two", holder=uuid4(), lapses_at=timezone.now() - timedelta(hours=2))
    locks.forget_lapsed()
    assert not Lock.objects.exists()


def test_asking_stripe_makes_a_lock_last(watchful: Any) -> None:
    with locks.alone_with("one"):
        Lock.objects.update(lapses_at=timezone.now() - timedelta(seconds=1))
        ask_stripe(watchful.url)
        with pytest.raises(locks.Busy):
            _in_another_thread(lambda: _enter("one"))


def test_who_has_lost_a_lock_asks_stripe_nothing_more_and_takes_it_from_nobody(watchful: Any) -> None:
    another = uuid4()
    with locks.alone_with("one"):
        Lock.objects.update(holder=another)
        with pytest.raises(StripeIsAway):
            ask_stripe(watchful.url)
    assert watchful.had_connection == []
    assert Lock.objects.get().holder == another


def _enter_patiently(subject: str) -> None:
    with locks.alone_with(subject):
        return


def test_rows_come_in_batches_and_all_of_them() -> None:
    people = {person(f"p{n}@example.org").pk for n in range(5)}
    model = type(person("p5@example.org"))
    seen = []
    for row in database.in_batches(model.objects.filter(pk__in=people), size=2):
        seen.append(row.pk)
        database.give_back()
    assert seen == sorted(people)


class Watchful(http.server.BaseHTTPRequestHandler):
    """Notes whether the caller had a connection of the database while it waited for the answer."""

    server: Any

    def do_POST(self) -> None:
        self.server.had_connection.append(self.server.wrapper.connection is not None)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b"<CopyObjectResult><ETag>2</ETag></CopyObjectResult>" if self.command == "PUT" else b"{}"
        self.send_response(200)
        for name, value in {"Content-Length": len(body), "Content-Type": "video/mp4", "ETag": "2"}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def watchful(settings: Any) -> Iterator[Any]:
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Watchful)
    server.had_connection, server.wrapper = [], connections["default"]
    server.url = f"http://127.0.0.1:{server.server_port}"
    settings.WEBHOOK_PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]
    settings.TURNSTILE_API_BASE = settings.STRIPE_API_BASE = server.url
    settings.STRIPE_SECRET_KEY = "sk_test_watchful"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def ask_stripe(url: str) -> None:
    gateway.client().v1.products.retrieve("x")


def post_to_an_endpoint(url: str) -> None:
    outbound.post(url, body=b"{}", headers={})


def check_a_proof(url: str) -> None:
    turnstile._verdict("good")


def ask_a_provider(url: str) -> None:
    SocialAdapter(None).get_requests_session().get(url)


def ask_for_a_providers_keys(url: str) -> None:
    token = jwt.encode({}, "secret" * 8, headers={"kid": "1"})
    with suppress(OAuth2Error):  # it has none
        id_tokens.verified(token, issuer=url, client_id="site", keys_url=url)


@pytest.mark.parametrize(
    "ask", [ask_stripe, post_to_an_endpoint, check_a_proof, ask_a_provider, ask_for_a_providers_keys]
)
def test_no_connection_is_held_while_others_are_asked(watchful: Any, ask: Callable[[str], None]) -> None:
    with locks.alone_with("a test"):
        take()
        ask(watchful.url)
    assert watchful.had_connection == [False]
    take()
    with requests.Session() as session:
        session.get(watchful.url)
    assert watchful.had_connection == [False, True]  # it would have been seen


def bucket_at(url: str) -> S3Store:
    named = storage_url.read(f"s3://clips?endpoint={url}", base=Path("/"))
    return S3Store(**named.backend()["OPTIONS"], access_key="key", secret_key="secret")


def read_late(bucket: S3Store) -> None:
    file = bucket.open("clip.mp4")
    take()
    assert file.read() == b"{}"


ASKED_OF_A_BUCKET: list[Callable[[S3Store], object]] = [
    lambda bucket: bucket.exists("clip.mp4"),
    lambda bucket: bucket.size("clip.mp4"),
    lambda bucket: bucket.open("clip.mp4"),
    lambda bucket: bucket.save("clip.mp4", ContentFile(b"bytes")),
    lambda bucket: bucket.put("clip.mp4", b"{}", content_type="video/mp4", size_bytes=2, sha256="0" * 64),
    lambda bucket: bucket.rename("clip.arriving", "clip.mp4"),
    lambda bucket: bucket.holds("clip.mp4", size_bytes=2, sha256="0" * 64),
    lambda bucket: bucket.head("clip.mp4", 8),
    lambda bucket: bucket.append("clip.mp4", b"tail", "recipe.mp4", sha256="0" * 64),
    lambda bucket: list(bucket.next_found("clips")),
    lambda bucket: bucket.delete("clip.mp4"),
    read_late,
]


def test_nor_while_a_bucket_is_asked_for_anything(watchful: Any) -> None:
    bucket = bucket_at(watchful.url)
    for ask in ASKED_OF_A_BUCKET:
        take()
        watchful.had_connection.clear()
        with suppress(StoreUnavailable):  # the answers are those of no bucket
            ask(bucket)
        assert set(watchful.had_connection) == {False}


def test_no_call_of_a_bucket_outlasts_a_transaction(settings: Settings) -> None:
    config = bucket_at("http://127.0.0.1:9").client_config
    tries = config.retries["total_max_attempts"]
    pauses = sum(2**number for number in range(tries - 1))
    assert tries * (config.connect_timeout + config.read_timeout) + pauses < settings.DATABASE_IDLE_TRANSACTION_SECONDS


def test_nor_while_mail_is_sent_or_a_password_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    had_connection: list[bool] = []

    def note(*_: object, **__: object) -> bytes:
        had_connection.append(is_taken())
        return b"hash$ed"

    monkeypatch.setattr("django.core.mail.backends.smtp.EmailBackend.send_messages", note)
    take()
    smtp.EmailBackend(host="127.0.0.1").send_messages([EmailMessage()])
    take()
    monkeypatch.setattr("argon2.low_level.hash_secret", note)
    Argon2().encode("secret", "salt-of-the-test")
    assert had_connection == [False, False]


Note = Callable[..., Any]


def sign_a_clip(note: Note, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generation.provenance.certificate.is_configured", lambda: True)
    monkeypatch.setattr(signing, "sign", note)
    with signing.signed(Generation(), "0" * 64):
        pass


def look_into_a_file(note: Note, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "_credentials_in", lambda _: note() or (None, False))
    inspection.inspect(BytesIO(b"file"))


def convert_a_clip(note: Note, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversions, "_make", note)
    conversions.ensure(Clip(generation=Generation(workspace_id=uuid4())), "gif")


def wait_in_line_with_a_picture(note: Note, monkeypatch: pytest.MonkeyPatch) -> None:
    with pictures.in_line("a workspace"):
        note()


def wait_for_a_place_for_a_picture(note: Note, monkeypatch: pytest.MonkeyPatch) -> None:
    with pictures._place():
        note()


def read_an_export(note: Note, monkeypatch: pytest.MonkeyPatch) -> None:
    exports._next_of(iter([b"part"]))
    note()


def read_figures(note: Note, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.SITE_FIGURES", "tests.test_database.taken")
    metrics.site_figures()
    note()


def taken() -> list[Any]:
    take()
    return []


@pytest.mark.parametrize(
    "work",
    [
        sign_a_clip,
        look_into_a_file,
        convert_a_clip,
        wait_in_line_with_a_picture,
        wait_for_a_place_for_a_picture,
        read_an_export,
        read_figures,
    ],
)
def test_nor_while_files_are_worked_on_or_read(
    work: Callable[[Note, pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    had_connection: list[bool] = []
    take()
    work(lambda *_: had_connection.append(is_taken()), monkeypatch)
    assert had_connection == [False]


SHOW = "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"
SHOW += ", current_setting('idle_in_transaction_session_timeout')"


def limits() -> Any:
    """What PostgreSQL ends by itself on a connection that is made now."""
    with psycopg.connect(**{**connection.get_connection_params(), "cursor_factory": None}) as own:
        return own.execute(SHOW).fetchone()


@pytest.fixture
def unbounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options that this test may change, without limits whatever ran in this process before."""
    options = {name: value for name, value in connection.settings_dict["OPTIONS"].items() if name != "options"}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)


def test_a_process_that_serves_is_bounded_and_a_command_is_not(unbounded: None) -> None:
    assert limits() == ("0", "0", "0")
    database.bound_process()
    assert limits() == ("30s", "10s", "1min")


def test_what_the_address_of_the_database_says_of_limits_wins(unbounded: None) -> None:
    connection.settings_dict["OPTIONS"]["options"] = "-c lock_timeout=250"
    database.bound_process()
    assert limits() == ("30s", "250ms", "1min")


@pytest.mark.parametrize("command", [("rqworker", "mail", "--burst"), ("housekeeping", "--once")])
def test_workers_and_beat_are_bounded(unbounded: None, valkey: redis.Redis, command: tuple[str, ...]) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        call_command(*command)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert limits() == ("30s", "10s", "1min")


def test_too_few_connections_for_the_pool_are_said_at_the_start(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    database.warn_of_few_connections()
    assert not caplog.records
    settings.DATABASE_POOL_SIZE = 10_000
    database.warn_of_few_connections()
    assert "lower DATABASE_POOL_SIZE" in caplog.text


def test_a_lock_that_outlasts_every_statement_refuses_to_start() -> None:
    environment = {**os.environ, "DATABASE_STATEMENT_SECONDS": "10", "DATABASE_LOCK_SECONDS": "10"}
    start = [sys.executable, "-c", "import loremotion.settings"]
    started = subprocess.run(start, env=environment, capture_output=True, text=True, check=False)
    assert started.returncode == 1
    assert "DATABASE_LOCK_SECONDS must be shorter" in started.stderr


def test_the_site_is_bounded() -> None:
    code = "from loremotion import asgi; from django.db import connection as c; print(c.settings_dict['OPTIONS'])"
    bounds = {"DJANGO_SETTINGS_MODULE": "loremotion.settings", "ROW_LEVEL_SECURITY": "False"}
    said = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **bounds}, capture_output=True, text=True, check=True
    )
    assert "statement_timeout=30000" in said.stdout
