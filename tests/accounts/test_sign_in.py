"""Every way in, and what keeps others out."""

from __future__ import annotations

import json

import pytest
import redis
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.auth.hashers import Argon2PasswordHasher, MD5PasswordHasher
from django.core import mail
from django.test import Client
from django.utils.module_loading import import_string

from accounts.models import Membership, User, Workspace
from accounts.signed_in import FORMER_BACKEND
from tests.accounts.factories import PASSWORD, browser_of, code_mailed, person, post_mail, prove_again, sign_in

pytestmark = pytest.mark.django_db


def sign_up(browser: Client, email: str = "new@example.org", password: str = PASSWORD) -> None:
    answer = browser.post("/account/signup/", {"email": email, "password1": password})
    assert answer.status_code == 302, answer.text
    assert answer["Location"] == "/account/confirm-email/"


def totp(secret: str) -> str:
    counter = next(iter(yield_hotp_counters_from_time()))
    return str(format_hotp_value(hotp_value(secret, counter)))


def test_it_works(client: Client) -> None:
    sign_up(client)
    assert not client.get("/account/").context["request"].user.is_authenticated
    answer = client.post("/account/confirm-email/", {"code": code_mailed()})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    user = User.objects.get()
    assert user.check_password(PASSWORD)
    assert EmailAddress.objects.get().verified
    own = Membership.objects.get(user=user)
    assert (own.role, own.workspace.kind) == ("owner", "personal")
    assert "new@example.org" in client.get("/account/").text


@pytest.mark.parametrize("password", ["password123", "short", "eleven-char", "new@example.org"])
def test_common_short_and_telling_passwords_are_refused(client: Client, password: str) -> None:
    answer = client.post("/account/signup/", {"email": "new@example.org", "password1": password})
    assert answer.status_code == 200
    assert 'role="alert"' in answer.text
    assert not User.objects.exists()


def test_passwords_are_kept_by_argon2() -> None:
    from loremotion import settings as real

    assert issubclass(import_string(real.PASSWORD_HASHERS[0]), Argon2PasswordHasher)


def test_signing_up_with_a_known_address_tells_nobody_but_its_owner(alice: User, client: Client) -> None:
    sign_up(client, alice.email)
    post_mail()
    assert mail.outbox[-1].to == [alice.email]
    assert "already exists" in str(mail.outbox[-1].body)
    assert User.objects.count() == 1
    assert client.get("/account/confirm-email/").status_code == 200  # the same page as for a new address


def test_a_wrong_code_lets_nobody_in(client: Client) -> None:
    sign_up(client)
    for _ in range(4):
        client.post("/account/confirm-email/", {"code": "AAAAAA"})
    client.post("/account/confirm-email/", {"code": code_mailed()})
    assert "_auth_user_id" not in client.session
    assert not EmailAddress.objects.filter(verified=True).exists()


def test_a_password_lets_in_and_a_wrong_one_does_not(alice: User, client: Client) -> None:
    assert sign_in(client, password="wrong") == 200
    assert "_auth_user_id" not in client.session
    assert sign_in(client) == 302
    assert client.session["_auth_user_id"] == str(alice.id)


def test_guessing_is_slowed_down_and_says_so(alice: User, client: Client) -> None:
    for _ in range(10):
        sign_in(client, password="wrong")
    answer = client.post("/account/login/", {"login": alice.email, "password": PASSWORD})
    assert "_auth_user_id" not in client.session
    assert "Too many failed attempts" in answer.text or answer.status_code == 429


def test_accounts_are_not_to_be_had_by_the_dozen(client: Client) -> None:
    for number in range(10):
        sign_up(Client(), f"{number}@example.org")
    answer = client.post("/account/signup/", {"email": "one@too.many", "password1": PASSWORD})
    assert answer.status_code == 429
    assert "Wait a few minutes" in answer.text
    assert int(answer["Retry-After"]) > 0
    assert User.objects.count() == 10


def test_a_magic_code_lets_in_once(alice: User, client: Client) -> None:
    assert client.post("/account/login/code/", {"email": alice.email}).status_code == 302
    code = code_mailed()
    assert client.post("/account/login/code/confirm/", {"code": code}).status_code == 302
    assert client.session["_auth_user_id"] == str(alice.id)
    other = Client()
    other.post("/account/login/code/", {"email": alice.email})
    other.post("/account/login/code/confirm/", {"code": code})
    assert "_auth_user_id" not in other.session


def test_whoever_signed_up_under_anothers_address_is_out_once_its_owner_comes(
    client: Client, valkey: redis.Redis
) -> None:
    squatter = Client()
    sign_up(squatter, "owner@example.org")
    valkey.flushdb()  # some minutes later, when another code may be mailed
    client.post("/account/login/code/", {"email": "owner@example.org"})
    client.post("/account/login/code/confirm/", {"code": code_mailed()})
    assert client.session["_auth_user_id"] == str(User.objects.get().id)
    for address in ("/account/confirm-email/", "/account/login/"):
        squatter.get(address, follow=True)  # what that browser had begun goes no further
    for browser in (squatter, Client()):
        sign_in(browser, "owner@example.org")
        assert "_auth_user_id" not in browser.session


def test_a_code_leaves_a_password_that_has_let_in(alice: User, client: Client, valkey: redis.Redis) -> None:
    sign_in(client)
    other = Client()
    other.post("/account/login/code/", {"email": alice.email})
    other.post("/account/login/code/confirm/", {"code": code_mailed()})
    assert other.session["_auth_user_id"] == str(alice.id)
    assert sign_in(Client()) == 302


def test_a_forgotten_password_is_replaced_by_code(alice: User, client: Client) -> None:
    client.post("/account/password/reset/", {"email": alice.email})
    client.post("/account/password/reset/confirm/", {"code": code_mailed()})
    answer = client.post(
        "/account/password/reset/complete/", {"password1": "another fine secret", "password2": "another fine secret"}
    )
    assert answer.status_code == 302
    alice.refresh_from_db()
    assert alice.check_password("another fine secret")


def test_a_new_address_counts_once_it_is_proved(alice: User, client: Client) -> None:
    sign_in(client)
    assert client.post("/account/email/", {"action_add": "", "email": "alice@new.example"}).status_code == 302
    post_mail()
    assert not mail.outbox  # a borrowed session is not enough
    prove_again(client)
    client.post("/account/email/", {"action_add": "", "email": "alice@new.example"})
    post_mail()
    assert mail.outbox[-1].to == ["alice@new.example"]
    alice.refresh_from_db()
    assert alice.email == "alice@example.org"
    client.post("/account/confirm-email/", {"code": code_mailed()})
    alice.refresh_from_db()
    assert alice.email == "alice@new.example"
    post_mail()
    assert any(letter.to == ["alice@example.org"] for letter in mail.outbox)  # the old address is told


def test_an_authenticator_app_is_asked_for_and_a_recovery_code_stands_in(alice: User, client: Client) -> None:
    sign_in(client)
    prove_again(client)
    client.get("/account/2fa/totp/activate/")
    secret = client.session["mfa.totp.secret"]
    assert client.post("/account/2fa/totp/activate/", {"code": totp(secret)}).status_code == 302
    codes = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()
    client.post("/account/logout/")

    assert sign_in(client) == 302
    assert "_auth_user_id" not in client.session
    client.post("/account/2fa/authenticate/", {"code": "000000"})
    assert "_auth_user_id" not in client.session
    client.post("/account/2fa/authenticate/", {"code": codes[0]})
    assert client.session["_auth_user_id"] == str(alice.id)

    other = Client()
    sign_in(other)
    other.post("/account/2fa/authenticate/", {"code": codes[0]})  # each works once
    assert "_auth_user_id" not in other.session


def test_changes_of_how_one_signs_in_are_in_the_audit_log(alice: User, client: Client) -> None:
    sign_in(client)
    prove_again(client)
    TOTP.activate(alice, "JBSWY3DPEHPK3PXP")
    client.post("/account/2fa/totp/deactivate/")
    new = "another fine secret"
    client.post("/account/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    log = client.get("/workspace/audit/").text
    for event in ("account.totp_deactivated", "account.password_changed"):
        assert event in log
    post_mail()
    assert len(mail.outbox) == 2  # and its owner has a letter about each


def test_staff_sign_in_as_everybody_does_and_with_the_same_second_factor(client: Client) -> None:
    person("staff@example.org", is_staff=True)
    answer = client.get("/admin/")
    assert answer.status_code == 302
    assert client.get(answer["Location"])["Location"].startswith("/account/login/")


def test_somebody_who_is_switched_off_stays_out(alice: User, client: Client) -> None:
    alice.is_active = False
    alice.save(update_fields=["is_active"])
    sign_in(client)
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize(
    "address",
    [
        "/account/", "/account/login/", "/account/signup/", "/account/login/code/", "/account/signup/passkey/",
        "/account/password/reset/",
    ],
)  # fmt: skip
def test_the_doors_are_pages_of_this_site(client: Client, address: str) -> None:
    page = client.get(address)
    assert page.status_code == 200
    assert "site.css" in page.text
    assert "Content-Security-Policy" in page.headers
    assert "<script>" not in page.text


@pytest.mark.parametrize(
    "address",
    [
        "/account/", "/account/email/", "/account/password/change/", "/account/2fa/", "/account/sessions/",
        "/account/3rdparty/", "/account/2fa/webauthn/add/", "/account/2fa/totp/activate/",
    ],
)  # fmt: skip
def test_the_account_pages_are_pages_of_this_site(alice: User, client: Client, address: str) -> None:
    sign_in(client)
    prove_again(client)
    page = client.get(address)
    assert page.status_code == 200
    assert "site.css" in page.text
    assert "<script>" not in page.text


def test_a_machine_reached_by_number_says_where_passkeys_work(client: Client) -> None:
    by_number = client.get("/account/login/?next=/history/", headers={"Host": "127.0.0.1:8000"})
    assert 'href="http://localhost:8000/account/login/?next=/history/"' in by_number.text
    by_name = client.get("/account/login/", headers={"Host": "localhost:8000"})
    assert "Passkeys don't work on" not in by_name.text


def test_other_providers_are_offered_only_when_set(client: Client) -> None:
    assert "Google" not in client.get("/account/login/").text


def test_a_person_made_by_staff_gets_a_workspace_with_the_first_clip(toy: object, client: Client) -> None:
    user = User.objects.create_user("made@example.org")
    browser = browser_of(user)
    assert browser.get("/").status_code == 200
    assert not Workspace.objects.exists()
    assert browser.post("/generations/", {"prompt": "a red circle"}).status_code in (302, 402)
    assert Workspace.objects.get().kind == "personal"


def test_limits_survive_a_restart_of_the_web_process(alice: User, client: Client) -> None:
    """They are counted in Valkey, as JSON."""
    from loremotion.valkey import connection

    sign_in(client, password="wrong")
    counted = [key for key in connection().keys("cache:*") if b"login" in key]
    assert counted
    assert all(isinstance(json.loads(connection().get(key) or b""), list) for key in counted)


def test_a_failed_sign_in_is_in_the_log_without_whom_it_was_about(
    alice: User, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.post("/account/login/", {"login": alice.email, "password": "not hers"})
    assert "A sign-in failed, from the network of 127.0.0.0" in caplog.text
    assert alice.email not in caplog.text


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each password that is hashed, which is what signing in takes time for."""
    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self: MD5PasswordHasher, password: str, salt: str) -> str:
        hashed.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    return hashed


@pytest.mark.parametrize("email", ["alice@example.org", "nobody@example.org"])
def test_a_try_takes_one_hash_whether_or_not_there_is_an_account(
    alice: User, client: Client, hashes: list[str], email: str
) -> None:
    hashes.clear()
    assert sign_in(client, email, password="wrong") == 200
    assert len(hashes) == 1


@pytest.mark.parametrize("email", ["alice@example.org", "new@example.org"])
def test_signing_up_takes_one_hash_whether_or_not_there_is_an_account(
    alice: User, client: Client, hashes: list[str], email: str
) -> None:
    hashes.clear()
    sign_up(client, email)
    assert len(hashes) == 1


def test_a_stranger_elsewhere_locks_nobody_out(alice: User, client: Client) -> None:
    for _ in range(9):
        sign_in(Client(REMOTE_ADDR="203.0.113.7"), password="wrong")
    assert sign_in(Client(REMOTE_ADDR="198.51.100.1")) == 302
    assert sign_in(Client(REMOTE_ADDR="203.0.113.200")) == 200  # but where it was guessed from, nobody gets in


def test_who_signed_in_under_a_former_backend_stays_signed_in(alice: User, client: Client) -> None:
    client.force_login(alice, backend=FORMER_BACKEND)
    for _ in range(2):
        assert alice.email in client.get("/account/").text
    assert client.session[BACKEND_SESSION_KEY] == "allauth.account.auth_backends.AuthenticationBackend"
