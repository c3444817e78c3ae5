"""The account page says how an account stands."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount
from pytest_django import Settings

from accounts import audit
from accounts.sign_in_state import SignInState, sign_in_state_of
from tests.accounts.factories import browser_of, person, team

pytestmark = pytest.mark.django_db


def test_an_account_says_what_is_set_up_to_sign_in_by() -> None:
    alice = person()
    page = browser_of(alice).get("/account/").text
    assert "Off" in page
    assert "recovery code" not in page

    TOTP.activate(alice, generate_totp_secret())
    codes = RecoveryCodes.activate(alice)
    assert codes.validate_code(codes.get_unused_codes()[0])
    page = browser_of(alice).get("/account/").text
    assert "On, with an authenticator app" in page
    assert "9 recovery codes left" in page


def test_what_is_not_there_yet_is_not_called_so(settings: Settings) -> None:
    settings.SIGN_IN_PROVIDERS = [{"provider_id": "google", "name": "Google"}]
    alice = person(password=None)
    EmailAddress.objects.filter(user=alice).delete()
    EmailAddress.objects.create(user=alice, email=alice.email, verified=False, primary=True)
    SocialAccount.objects.create(user=alice, provider="google", uid="1")
    assert sign_in_state_of(alice) == SignInState(
        is_address_confirmed=False,
        address_to_confirm=alice.email,
        has_password=False,
        passkeys=0,
        has_authenticator_app=False,
        recovery_codes_left=0,
        providers=("Google",),
        are_providers_offered=True,
    )


def test_what_was_done_is_told_in_the_reader_s_language() -> None:
    alice = person()
    studio = team(alice, "Studio")
    audit.record(studio, "key.issued", actor=alice.email, subject="lm_live_x", name="ci", scopes=["read"])
    audit.record(studio, "member.left", actor="bob@example.org")
    browser = browser_of(alice, studio)
    assert "alice@example.org created the API key <strong>lm_live_x</strong>" in browser.get("/workspace/audit/").text
    german = browser.get("/workspace/audit/", headers={"Accept-Language": "de"}).text
    assert "alice@example.org hat den API-Schlüssel erstellt: <strong>lm_live_x</strong>" in german
    assert "Name: ci · Rechte: read" in german
    assert "bob@example.org hat den Arbeitsbereich verlassen" in german
