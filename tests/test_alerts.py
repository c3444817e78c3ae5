"""Whoever runs the site is told of what is critical: by mail, by Sentry where there is one, and on every admin page."""

from __future__ import annotations

import gzip
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import redis
from django.contrib.auth.models import Group
from django.core import mail
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from generation.settlement import housekeeping, ledger_check
from gpu_worker import host_faults, last_work
from gpu_worker.host_faults import HostFault, fault_key
from gpu_worker.last_work import process_key
from loremotion import alerts, health, valkey
from loremotion.local.ports import free_port
from tests.accounts.factories import browser_of, person
from tests.test_last_work import worked

OPERATOR = "operator@example.org"
SECRET = "a fox that nobody else is to read of"


@pytest.fixture
def log(settings: Settings, valkey: redis.Redis) -> logging.Logger:
    """Any logger, of a site that somebody runs."""
    settings.ADMINS = [("", OPERATOR)]
    return logging.getLogger("tests.alerts")


def told() -> list[tuple[str, list[str]]]:
    alerts.wait()
    return [(str(message.subject), message.to) for message in mail.outbox]


def test_what_is_critical_is_mailed_to_the_operator(log: logging.Logger) -> None:
    log.critical("Ledger violation: %s", "the books are off by 3")
    assert told() == [("[LoreMotion] Ledger violation: the books are off by 3", [OPERATOR])]


@pytest.mark.parametrize("level", [logging.ERROR, logging.WARNING])
def test_what_is_less_is_not(log: logging.Logger, level: int) -> None:
    log.log(level, "The mail server is away")
    assert told() == []


@pytest.mark.parametrize("name", ["django", "django.request", "django.security", "loremotion"])
def test_an_error_page_waits_for_no_mail_and_no_mail_holds_what_was_sent(
    log: logging.Logger, settings: Settings, name: str
) -> None:
    """Django's own handler mails the whole request, prompts and cookies too, before it is answered."""
    logging.getLogger(name).error("Internal Server Error: %s", "/generations/", extra={"status_code": 500})
    assert told() == []


def test_a_critical_line_is_mailed_without_its_traceback(log: logging.Logger) -> None:
    try:
        raise ValueError(SECRET)
    except ValueError:
        log.critical("The books cannot be read", exc_info=True)
    assert told() == [("[LoreMotion] The books cannot be read", [OPERATOR])]
    assert SECRET not in str(mail.outbox[0].body)


def test_one_fault_that_goes_on_is_one_mail_an_hour(log: logging.Logger, valkey: redis.Redis) -> None:
    for number in range(20):
        log.critical("Ledger violation: %s", number)
    log.critical("Two plans for one workspace: %s", "x")
    assert len(told()) == 2
    valkey.flushdb()  # an hour later
    log.critical("Ledger violation: %s", 20)
    assert len(told()) == 3


def test_a_mail_server_that_is_away_breaks_nothing(log: logging.Logger, settings: Settings) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "loremotion.smtp.EmailBackend", "127.0.0.1"
    settings.EMAIL_PORT = free_port()
    log.critical("Ledger violation: %s", 1)
    assert told() == []


@pytest.fixture
def valkey_away(settings: Settings) -> Iterator[None]:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    valkey.connection.cache_clear()
    yield
    valkey.connection.cache_clear()


def test_without_valkey_it_is_told_too(log: logging.Logger, valkey_away: None) -> None:
    for _ in range(3):
        log.critical("Valkey is away")
    assert len(told()) == 1


@pytest.fixture
def staff(db: None, valkey: redis.Redis) -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("staff@example.com", "irrelevant"))
    return browser


def test_every_admin_page_says_who_is_silent_and_where_to_read_more(staff: Client, valkey: redis.Redis) -> None:
    worked(valkey, but="mail")
    for address in ("/admin/", "/admin/accounts/user/"):
        page = staff.get(address).text
        assert "mail has not worked for a week" in page
        assert 'href="/admin/system/"' in page


def test_while_all_is_well_no_page_says_anything(staff: Client, valkey: redis.Redis) -> None:
    worked(valkey)
    assert "errornote" not in staff.get("/admin/").text
    ledger_check.run()
    assert "All is well" in staff.get("/admin/system/").text


def test_where_mails_led_before_leads_to_the_page_of_the_system(staff: Client, valkey: redis.Redis) -> None:
    assert staff.get("/admin/health/").headers["Location"] == "/admin/system/"


def test_who_may_not_see_the_system_is_told_whom_to_tell(db: None, valkey: redis.Redis) -> None:
    worked(valkey, but="mail")
    user = person("support@example.org")
    User.objects.filter(id=user.id).update(is_staff=True)
    user.groups.add(Group.objects.get(name="Support"))
    page = browser_of(user).get("/admin/").text
    assert "mail has not worked for a week. Tell whoever runs the site." in page
    assert "What to do" not in page


def test_the_page_names_what_is_unwell_and_what_to_do(
    staff: Client, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked(valkey, but="beat")
    valkey.set(process_key("beat"), 1, ex=last_work.REMEMBERED_SECONDS - 600)
    monkeypatch.setattr(health, "free_bytes", lambda: 5 * 2**20)
    page = staff.get("/admin/system/").text
    assert "beat has not worked for 10 minutes" in page
    assert "Start it" in page
    assert "5 MiB are free" in page


def test_a_valkey_that_may_drop_jobs_is_said(staff: Client, valkey: redis.Redis) -> None:
    worked(valkey)
    valkey.config_set("maxmemory-policy", "allkeys-lru")
    try:
        page = staff.get("/admin/system/").text
    finally:
        valkey.config_set("maxmemory-policy", "noeviction")
    assert "set maxmemory-policy noeviction" in page


def test_a_valkey_that_is_away_is_said_and_breaks_no_admin_page(staff: Client, valkey_away: None) -> None:
    for address in ("/admin/", "/admin/system/"):
        answer = staff.get(address)
        assert (answer.status_code, "Valkey takes no write" in answer.text) == (200, True)


def test_who_is_not_staff_reads_none_of_it(db: None, valkey: redis.Redis) -> None:
    worked(valkey, but="mail")
    assert Client().get("/admin/system/").status_code == 302
    assert "has not worked" not in Client().get("/admin/login/", follow=True).text


@pytest.mark.django_db
def test_the_beat_says_once_that_a_process_has_stopped(valkey: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    worked(valkey)
    valkey.set(process_key("stripe"), 1, ex=last_work.REMEMBERED_SECONDS - 600)
    for _ in range(3):
        housekeeping.log_silent_processes()
    [said] = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert "stripe has not worked for 10 minutes" in said.getMessage()


@pytest.mark.django_db
def test_of_one_that_was_never_started_it_says_nothing(valkey: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    worked(valkey, but="stripe")
    housekeeping.log_silent_processes()
    assert not caplog.records


# --- GPU hosts -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_what_a_gpu_host_reports_of_itself_is_mailed_once_and_shown(
    log: logging.Logger, staff: Client, valkey: redis.Redis
) -> None:
    worked(valkey)
    host_faults.tell(valkey, "gpu-1", HostFault.KEEPS_DYING, now=1.0)
    for _ in range(3):
        housekeeping.log_silent_processes()
    said = "Look into the logs of GPU workers: gpu-1 dies again and again"
    assert told() == [(f"[LoreMotion] {said}", [OPERATOR])]
    assert "The GPU worker gpu-1 dies again and again." in staff.get("/admin/system/").text


@pytest.mark.django_db
@pytest.mark.parametrize("word", [b"\xff", b"Sign in at http://evil.example", b"", b"keeps_dying\n", b"x" * 10**6])
def test_no_words_of_a_gpu_host_are_mailed(log: logging.Logger, valkey: redis.Redis, word: bytes) -> None:
    worked(valkey)
    valkey.zadd("gpu:workers", {"gpu-1": 1.0})
    valkey.set(fault_key("gpu-1"), word)
    housekeeping.log_silent_processes()
    assert told() == []


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["a b", "http://evil.example", "a\nBcc: x", "\N{BULLET}", "x" * 101])
def test_a_name_that_no_worker_has_is_not_mailed(log: logging.Logger, valkey: redis.Redis, name: str) -> None:
    worked(valkey)
    host_faults.tell(valkey, name, HostFault.CLOCK, now=1.0)
    housekeeping.log_silent_processes()
    assert told() == []


@pytest.mark.django_db
def test_of_many_hosts_a_few_are_named(log: logging.Logger, valkey: redis.Redis) -> None:
    worked(valkey)
    for number in range(50):
        host_faults.tell(valkey, f"gpu-{number}", HostFault.NO_SECCOMP, now=1.0)
    assert len(host_faults.sentences(valkey)) == host_faults.MOST_TOLD


@pytest.fixture
def sentry() -> Iterator[tuple[str, list[str]]]:
    """The address of a server that takes Sentry's envelopes, and what it was sent."""
    sent: list[str] = []

    class Envelopes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sent.append((gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Envelopes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://key@127.0.0.1:{server.server_address[1]}/1", sent
    server.shutdown()


FAILS = f"""
import logging, django
django.setup()
import sentry_sdk
from django.test import Client, override_settings
from django.urls import path

def broken(request):
    prompt = {SECRET!r}
    raise ValueError(f"cannot draw {{prompt}}")

urlpatterns = [path("broken/", broken)]
logging.getLogger("loremotion.tests").critical("Two plans for one workspace: %s", {SECRET!r})
with override_settings(ROOT_URLCONF="__main__", MIDDLEWARE=[]):
    Client(raise_request_exception=False).post(
        "/broken/?prompt=" + {SECRET!r}, {{"prompt": {SECRET!r}}}, headers={{"Authorization": {SECRET!r}}},
    )
sentry_sdk.flush()
"""


def run(source: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "loremotion.settings", **variables}
    return subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, text=True, check=False)


def test_sentry_is_told_what_broke_and_nothing_of_anybodys(sentry: tuple[str, list[str]]) -> None:
    dsn, sent = sentry
    done = run(FAILS, SENTRY_DSN=dsn)
    assert done.returncode == 0, done.stderr
    everything = "\n".join(sent)
    assert "Two plans for one workspace" in everything
    assert "ValueError" in everything
    assert "broken" in everything  # where
    for secret in (SECRET, SECRET.replace(" ", "+"), SECRET.replace(" ", "%20"), os.environ["SECRET_KEY"]):
        assert secret not in everything


def test_without_a_dsn_sentry_is_not_even_imported() -> None:
    done = run("import sys, django; django.setup(); sys.exit('sentry_sdk' in sys.modules)", SENTRY_DSN="")
    assert done.returncode == 0, done.stderr
