"""Mail of a single machine, and who may read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core import mail
from django.test import Client
from pytest_django import Settings

from accounts import mailbox


@pytest.fixture
def one_machine(settings: Settings, tmp_path: Path) -> Path:
    settings.EMAIL_BACKEND = mailbox.FILES
    settings.EMAIL_FILE_PATH = settings.MAIL_DIR = tmp_path / "mail"
    return tmp_path


def test_it_works(db: None, one_machine: Path, client: Client) -> None:
    assert "Nothing yet" in client.get("/mail/").text
    mail.send_mail("Older", "See https://clips.example/join", None, ["a@example.org"])
    mail.send_mail("Grüße", "Für dich: <b>", None, ["b@example.org"])
    page = client.get("/mail/").text
    assert "Grüße" in page
    assert "Für dich: &lt;b&gt;" in page
    assert 'href="https://clips.example/join"' in page
    assert 'href="/mail/"' in client.get("/").text


def test_nobody_reads_it_from_elsewhere(db: None, one_machine: Path, client: Client) -> None:
    assert client.get("/mail/", REMOTE_ADDR="203.0.113.7").status_code == 404
    for name in ("X-Forwarded-For", "Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Via"):
        assert client.get("/mail/", headers={name: "203.0.113.7"}).status_code == 404, name


def test_it_is_absent_where_mail_is_sent_or_the_site_is_public(
    db: None, one_machine: Path, client: Client, settings: Settings
) -> None:
    settings.IS_ONE_MACHINE = False
    assert client.get("/mail/").status_code == 404
    settings.IS_ONE_MACHINE = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert client.get("/mail/").status_code == 404
