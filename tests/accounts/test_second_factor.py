"""With STAFF_MFA, nobody is in the admin who has not shown a second factor in this session."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import Settings

from accounts import second_factor
from accounts.models import AuditEntry, User
from loremotion.local import preparation
from tests.accounts.factories import PASSWORD, person, post_mail, prove_again, sign_in

SECRET = "JBSWY3DPEHPK3PXP"


@pytest.fixture
def staff(db: None, settings: Settings) -> User:
    settings.STAFF_MFA = True
    return person("staff@example.org", is_staff=True)


@pytest.fixture
def with_app(staff: User) -> User:
    """Staff with an authenticator app."""
    TOTP.activate(staff, SECRET)
    return staff


def code() -> str:
    """What the app shows now; allauth takes each once."""
    cache.clear()
    return str(format_hotp_value(hotp_value(SECRET, next(iter(yield_hotp_counters_from_time())))))


def admin_addresses() -> list[str]:
    """Every address under /admin/, with something in the place of what varies."""
    found = []

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> None:
        for entry in patterns:
            route = prefix + str(entry.pattern)
            if isinstance(entry, URLResolver):
                walk(entry.url_patterns, route)
            elif route.startswith("admin/"):
                found.append(route)

    walk(get_resolver().url_patterns, "")
    stand_ins = {
        "<path:object_id>": "1",
        "<uuid:generation_id>": str(uuid.uuid4()),
        "<uuid:account>": str(uuid.uuid4()),
    }
    for piece, value in stand_ins.items():
        found = [route.replace(piece, value) for route in found]
    return [f"/{route}" for route in found if not set("<^?\\") & set(route)]


def test_whoever_has_none_is_led_to_set_one_up(staff: User) -> None:
    browser = Client()
    sign_in(browser, staff.email)
    answer = browser.get("/admin/")
    assert (answer.status_code, answer["Location"]) == (302, "/account/2fa/")
    assert "Add a passkey or an authenticator app first" in browser.get("/account/2fa/").text
    prove_again(browser)
    browser.get("/account/2fa/totp/activate/")
    secret = browser.session["mfa.totp.secret"]
    typed = format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))
    assert browser.post("/account/2fa/totp/activate/", {"code": typed}).status_code == 302
    assert browser.get("/admin/")["Location"] == "/account/2fa/reauthenticate/?next=%2Fadmin%2F"


def test_a_session_that_showed_it_comes_in(with_app: User) -> None:
    browser = Client()
    sign_in(browser, with_app.email)
    browser.post("/account/2fa/authenticate/", {"code": code()})
    assert browser.get("/admin/").status_code == 200


def shows_it(user: User) -> bool:
    """Whether the code that the app shows lets them into the admin."""
    browser = Client()
    sign_in(browser, user.email)
    browser.post("/account/2fa/authenticate/", {"code": code()})
    return browser.get("/admin/").status_code == 200


def test_the_seed_cannot_be_read_from_the_database(with_app: User) -> None:
    assert SECRET not in str(Authenticator.objects.get().data)


def test_a_seed_from_before_they_were_sealed_still_works(with_app: User) -> None:
    Authenticator.objects.update(data={"secret": SECRET})
    assert shows_it(with_app)


def test_a_former_secret_key_opens_what_was_sealed_under_it(with_app: User, settings: Settings) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key of at least thirty-two characters"
    assert shows_it(with_app)


def test_no_code_fits_a_seed_that_cannot_be_opened(with_app: User, settings: Settings) -> None:
    settings.SECRET_KEY = "another key of at least thirty-two characters"
    assert not shows_it(with_app)


def test_a_passkey_is_asked_for_where_there_is_one(staff: User) -> None:
    Authenticator.objects.create(user=staff, type=Authenticator.Type.WEBAUTHN, data={"name": "key", "credential": {}})
    browser = Client()
    browser.force_login(staff)
    assert browser.get("/admin/")["Location"].startswith("/account/2fa/webauthn/reauthenticate/?next=")


def test_a_session_that_did_not_shows_it_and_goes_on(with_app: User) -> None:
    """Such as one that was begun before there was a second factor."""
    browser = Client()
    browser.force_login(with_app)
    asked = browser.get("/admin/accounts/user/?q=x")["Location"]
    assert asked == "/account/2fa/reauthenticate/?next=%2Fadmin%2Faccounts%2Fuser%2F%3Fq%3Dx"
    assert browser.get(asked).status_code == 200
    assert browser.post(asked, {"code": "000000"}).status_code == 200
    assert browser.get("/admin/").status_code == 302
    assert browser.post(asked, {"code": code()})["Location"] == "/admin/accounts/user/?q=x"
    assert browser.get("/admin/").status_code == 200


def test_the_password_again_is_no_second_factor(with_app: User) -> None:
    browser = Client()
    browser.force_login(with_app)
    prove_again(browser, PASSWORD)
    assert browser.get("/admin/").status_code == 302


def test_a_factor_that_was_taken_away_counts_no_more(with_app: User) -> None:
    browser = Client()
    sign_in(browser, with_app.email)
    browser.post("/account/2fa/authenticate/", {"code": code()})
    Authenticator.objects.all().delete()
    assert browser.get("/admin/")["Location"] == "/account/2fa/"


def test_no_page_of_the_admin_is_left_open(staff: User) -> None:
    browser = Client()
    sign_in(browser, staff.email)
    addresses = admin_addresses()
    assert {"/admin/", "/admin/accounts/user/", "/admin/autocomplete/"} <= set(addresses)
    assert len(addresses) > 60
    for address in addresses:
        for answer in (browser.get(address), browser.post(address)):
            assert (answer.status_code, answer["Location"]) == (302, "/account/2fa/"), address


def test_who_is_no_staff_is_refused_as_before(staff: User, alice: User) -> None:
    browser = Client()
    assert browser.get("/admin/")["Location"].startswith("/admin/login/")
    sign_in(browser, alice.email)
    assert browser.get("/admin/", follow=True).status_code == 403


def test_on_one_machine_the_first_staff_login_needs_none(db: None, settings: Settings, tmp_path: Path) -> None:
    assert settings.STAFF_MFA is False  # these tests run as a machine of one's own does
    preparation._make_staff(tmp_path)
    browser = Client()
    sign_in(browser, preparation.STAFF_EMAIL, preparation.staff_password(tmp_path))
    assert browser.get("/admin/").status_code == 200
    settings.STAFF_MFA = True  # and on a site of many it leads that login on instead of locking it out
    assert browser.get("/admin/")["Location"] == "/account/2fa/"
    prove_again(browser, preparation.staff_password(tmp_path))
    assert browser.get("/account/2fa/totp/activate/").status_code == 200


def test_the_operator_lets_somebody_in_again_who_lost_it(
    with_app: User, client: Client, django_capture_on_commit_callbacks: Any
) -> None:
    stolen = Client()
    sign_in(stolen, with_app.email)
    stolen.post("/account/2fa/authenticate/", {"code": code()})
    assert stolen.get("/admin/").status_code == 200
    with django_capture_on_commit_callbacks(execute=True):
        call_command("forget_second_factor", "Staff@example.org")
    assert stolen.get("/admin/").status_code == 302  # the device may be in anybody's hands
    assert "_auth_user_id" not in stolen.session
    cache.clear()
    sign_in(client, with_app.email)
    assert client.session["_auth_user_id"] == str(with_app.id)
    assert client.get("/admin/", follow=True).redirect_chain[0][0] == "/account/2fa/"  # to set up another first
    entry = AuditEntry.objects.get(event="account.second_factor_forgotten")
    assert (entry.actor, entry.subject) == ("operator", "authenticator app")
    post_mail()
    assert mail.outbox[-1].to == [with_app.email]
    assert "authenticator app" in str(mail.outbox[-1].body)


def test_there_must_be_somebody_with_something_to_forget(staff: User) -> None:
    for email, words in (("nobody@example.org", "Nobody has"), (staff.email, "no second factor")):
        with pytest.raises(CommandError, match=words):
            call_command("forget_second_factor", email)
    assert not AuditEntry.objects.filter(event="account.second_factor_forgotten").exists()


def test_a_second_factor_opens_the_admin_for_a_working_day(with_app: User) -> None:
    browser = Client()
    sign_in(browser, with_app.email)
    browser.post("/account/2fa/authenticate/", {"code": code()})
    assert browser.get("/admin/").status_code == 200
    with time_machine.travel(time.time() + second_factor.SHOWN_FOR_SECONDS + 60, tick=False):
        assert browser.get("/admin/").status_code == 302


@pytest.fixture
def without_second_factors(db: None, settings: Settings) -> None:
    """A site of many, whose operator asks staff for none."""
    settings.STAFF_MFA = settings.IS_ONE_MACHINE = False


@pytest.mark.usefixtures("without_second_factors")
def test_without_one_a_sign_in_opens_the_admin_for_a_working_day() -> None:
    browser, staff = Client(), person("staff@example.org", is_staff=True)
    sign_in(browser, staff.email)
    assert browser.get("/admin/").status_code == 200
    with time_machine.travel(time.time() + second_factor.SHOWN_FOR_SECONDS + 60, tick=False):
        asked = browser.get("/admin/accounts/user/")["Location"]
        assert asked == "/account/reauthenticate/?next=%2Fadmin%2Faccounts%2Fuser%2F"
        assert browser.post(asked, {"password": PASSWORD})["Location"] == "/admin/accounts/user/"
        assert browser.get("/admin/").status_code == 200


@pytest.mark.usefixtures("without_second_factors")
def test_staff_without_a_password_signs_in_anew() -> None:
    browser = Client()
    browser.force_login(person("staff@example.org", password=None, is_staff=True))
    assert browser.get("/admin/")["Location"] == "/account/login/?next=%2Fadmin%2F"
    assert "_auth_user_id" not in browser.session
