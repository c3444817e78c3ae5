"""Connections are lent for as long as the database is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
import requests
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.core.files.base import ContentFile
from django.core.mail import EmailMessage
from django.db import connection, transaction
from pytest_django import Settings

from accounts import exports
from accounts.openid import id_tokens
from accounts.openid.adapter import SocialAdapter
from accounts.passwords import Argon2
from accounts.proofs import turnstile
from billing.shop import gateway, locks
from generation.models import Clip, Generation
from generation.provenance import inspection, picture_hashes, signing
from generation.storage import conversions
from generation.storage.s3 import S3Store, StoreUnavailable
from generation.submission import pictures
from loremotion import database, metrics, outbound, smtp, storage_url
from tests import watchful_server
from tests.accounts.factories import person

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_connection_whose_session_holds_a_lock_is_kept() -> None:
    take()
    mine = connection.connection
    with database.keep_connections():
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


def test_rows_come_in_batches_and_all_of_them() -> None:
    people = {person(f"p{n}@example.org").pk for n in range(5)}
    model = type(person("p5@example.org"))
    seen = []
    for row in database.in_batches(model.objects.filter(pk__in=people), size=2):
        seen.append(row.pk)
        database.give_back()
    assert seen == sorted(people)


@pytest.fixture
def watchful(settings: Settings) -> Iterator[Any]:
    with watchful_server.serving() as server:
        settings.WEBHOOK_PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]
        settings.TURNSTILE_API_BASE = settings.STRIPE_API_BASE = server.url
        settings.STRIPE_SECRET_KEY = "sk_test_watchful"
        yield server


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
        id_tokens.verify(token, issuer=url, client_id="site", keys_url=url)


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
    with signing.sign_clip(Generation(), "0" * 64):
        pass


def look_into_a_file(note: Note, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "_credentials_in", lambda _: note() or (None, False))
    monkeypatch.setattr(picture_hashes, "hashes_in", lambda _: [])
    inspection.inspect(BytesIO(b"file"))


def look_for_the_picture_in_a_file(note: Note, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the database was asked for the file itself."""
    monkeypatch.setattr(inspection, "_credentials_in", lambda _: (None, False))
    monkeypatch.setattr(picture_hashes, "hashes_in", lambda _: note() or [])
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
    exports._next_of(iter([b"part"]), "en")
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
        look_for_the_picture_in_a_file,
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
