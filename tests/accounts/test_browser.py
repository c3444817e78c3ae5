"""From visitor to team in a real browser: a clip, a passkey, the clip again, a member, a cap."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
import requests
import time_machine
from csp.constants import SELF
from django.conf import settings as django_settings
from django.core import mail
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts import api_keys
from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from billing import ledger
from generation.models import Generation
from generation.settlement import settle
from tests import fake_openid, fake_turnstile
from tests.accounts.factories import (
    PASSWORD,
    browser_of,
    code_mailed,
    link_mailed_to,
    person,
    post_mail,
    subscribe,
    team,
)
from tests.accounts.providers import offer_sign_in
from tests.generation import factories as generations
from tests.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSKEY_HOLDER = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def site(live_server: LiveServer, settings: Settings) -> Iterator[str]:
    settings.SITE_URL = live_server.url
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    generations.model()
    yield str(live_server.url)
    for waiting in Generation.objects.open():  # whoever still watches it is told, and the server may end
        settle.cancel(waiting)


def with_passkeys(context: BrowserContext) -> Page:
    """A page of a device that can hold passkeys and unlocks them by itself; errors of scripts fail the test."""
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": PASSKEY_HOLDER})
    return page


def sign_up_with_a_passkey(page: Page, site: str, email: str) -> None:
    page.goto(f"{site}/account/signup/")
    page.get_by_role("link", name="passkey").click()
    page.get_by_label("Email").fill(email)
    page.get_by_role("button", name="Sign Up").click()
    page.wait_for_url("**/confirm-email/")
    page.get_by_label("Code").fill(code_mailed())
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url("**/webauthn/signup/")  # with its scripts, which give the button its meaning
    page.get_by_role("button", name="Create").click()
    page.wait_for_url(f"{site}/")


def sign_in_by_password(page: Page, site: str, email: str) -> None:
    page.goto(f"{site}/account/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign In").first.click()
    page.wait_for_url(f"{site}/")


def make_a_clip(page: Page, site: str, prompt: str) -> None:
    page.goto(site)
    page.get_by_label("What should the clip show?").fill(prompt)
    page.get_by_role("button", name="Generate").click()


def test_from_visitor_to_team(site: str, browser: Browser, desktop: BrowserContext) -> None:
    page = with_passkeys(desktop)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    make_a_clip(page, site, "a red circle of a visitor")
    page.wait_for_url("**/generations/*/")

    sign_up_with_a_passkey(page, site, "alice@example.org")
    page.goto(f"{site}/history/")
    expect(page.locator("main").get_by_text("a red circle of a visitor", exact=True)).to_be_visible()
    assert not User.objects.get().has_usable_password()

    page.goto(f"{site}/account/")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{site}/")
    page.goto(f"{site}/account/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(f"{site}/")
    expect(page.locator("main").get_by_text("a red circle of a visitor", exact=True)).to_be_visible()
    page.goto(f"{site}/account/sessions/")
    expect(page.get_by_text("by passkey")).to_be_visible()

    page.goto(f"{site}/workspaces/")
    page.get_by_label("Name").fill("Studio")
    page.get_by_role("button", name="Create", exact=True).click()
    studio = Workspace.objects.get(kind="team")
    ledger.grant(account=studio.id, reference=f"test:{studio.id}", amount=100, kind=ledger.LotKind.PACK)
    subscribe(studio, "studio")
    page.get_by_label("Email address").fill("bob@example.org")
    page.get_by_role("button", name="Invite").click()
    expect(page.get_by_text("We've invited bob@example.org.")).to_be_visible()
    link = link_mailed_to("bob@example.org")

    elsewhere = browser.new_context()
    guest = with_passkeys(elsewhere)
    sign_up_with_a_passkey(guest, site, "bob@example.org")
    guest.goto(f"{site}{link}")
    guest.get_by_role("button", name="Join").click()
    make_a_clip(guest, site, "made by bob")
    guest.wait_for_url("**/generations/*/")
    price = Generation.objects.get(prompt="made by bob").credits_quoted

    page.reload()
    page.get_by_label("Monthly limit in credits for bob@example.org").fill(str(price))
    page.get_by_role("button", name="Save").click()
    make_a_clip(guest, site, "one too many")
    expect(guest.locator("main").get_by_text("with 0 left")).to_be_visible()
    page.goto(f"{site}/history/")
    expect(page.locator("main").get_by_text("made by bob", exact=True)).to_be_visible()
    assert Membership.objects.get(workspace=studio, role=Role.MEMBER).monthly_cap_credits == price
    assert problems == []
    elsewhere.close()


def test_the_account_pages_fit_a_phone(site: str, phone: BrowserContext) -> None:
    """Nothing is cut off to the side, and every control can be reached and hit."""
    page = with_passkeys(phone)
    sign_up_with_a_passkey(page, site, "alice@example.org")
    for address in (
        "/account/",
        "/account/2fa/",
        "/account/sessions/",
        "/workspaces/",
        "/workspace/",
        "/workspace/members/",
        "/data/",
    ):
        page.goto(site + address)
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, address
        hidden = page.evaluate(
            "[...document.querySelectorAll('table.stack')].filter(e => e.scrollWidth > e.clientWidth)"
        )
        assert hidden == [], address
        small = page.evaluate(
            "[...document.querySelectorAll('main button, main .button')]"
            ".filter(e => e.offsetHeight && e.offsetHeight < 40).map(e => e.textContent)"
        )
        assert small == [], address


def test_a_newcomer_from_a_crowd_works_for_it_unnoticed(
    site: str, phone: BrowserContext, settings: Settings, valkey: redis.Redis
) -> None:
    settings.VISITORS_PER_NETWORK_PER_DAY = 2
    make_a_clip(phone.new_page(), site, "the first, free of work")
    phone.clear_cookies()
    page = phone.new_page()
    make_a_clip(page, site, "the second, worked for")
    page.wait_for_url("**/generations/*/")
    assert Generation.objects.count() == 2


def test_turnstiles_widget_runs_under_the_policy_and_its_answer_lets_in(
    site: str, phone: BrowserContext, settings: Settings, valkey: redis.Redis
) -> None:
    with fake_turnstile.serving() as cloudflare:
        settings.TURNSTILE_SITE_KEY, settings.TURNSTILE_SECRET_KEY = fake_turnstile.SITE_KEY, fake_turnstile.SECRET
        settings.TURNSTILE_API_BASE = cloudflare.url
        policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"] | {"script-src": [SELF, cloudflare.url]}
        settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": policy}
        settings.VISITORS_PER_NETWORK_PER_DAY = 2
        make_a_clip(phone.new_page(), site, "the first, unasked")
        phone.clear_cookies()
        page = phone.new_page()
        make_a_clip(page, site, "the second, checked")
        page.wait_for_url("**/generations/*/")
        assert [said["response"] for said in cloudflare.asked] == [f"good-{fake_turnstile.SITE_KEY}"]


def test_a_lost_device_is_signed_out_and_the_one_at_hand_is_not(
    site: str, phone: BrowserContext, desktop: BrowserContext
) -> None:
    person("alice@example.org")
    page, lost = desktop.new_page(), phone.new_page()
    for one in (lost, page):
        sign_in_by_password(one, site, "alice@example.org")
    page.goto(f"{site}/account/sessions/")
    expect(page.get_by_role("row", name="this one")).to_be_visible()
    other = page.get_by_role("row").filter(has_not_text="this one", has=page.get_by_role("button", name="Sign out"))
    other.get_by_role("button").click()
    expect(page.get_by_text("That device is signed out.")).to_be_visible()
    lost.goto(f"{site}/account/email/")
    lost.wait_for_url("**/account/login/**")
    page.goto(f"{site}/account/sessions/")
    expect(page.get_by_role("row", name="this one")).to_be_visible()


def test_a_member_keeps_a_clip_private_and_shares_it(site: str, phone: BrowserContext, browser: Browser) -> None:
    owner, maker, colleague = (person(f"{name}@example.org") for name in ("owner", "maker", "colleague"))
    studio = team(owner, member=maker)
    Membership.objects.create(workspace=studio, user=colleague, role=Role.MEMBER)
    ledger.grant(account=studio.id, reference=f"test:{studio.id}", amount=100, kind=ledger.LotKind.PACK)
    page = signed_in(phone, site, maker, studio).new_page()
    page.goto(site)
    page.get_by_label("What should the clip show?").fill("a red circle")
    page.get_by_label("Who sees it").select_option(label="Only me and the owner")
    page.get_by_role("button", name="Generate").click()
    page.wait_for_url("**/generations/*/")
    expect(page.get_by_text("Only its maker and the owner of Studio can see this clip.")).to_be_visible()
    other = signed_in(browser.new_context(), site, colleague, studio)
    seen = other.new_page()
    seen.goto(page.url)
    expect(seen.get_by_text("There's nothing here, or it isn't yours.")).to_be_visible()
    page.get_by_role("button", name="Share it with the team").click()
    expect(page.get_by_text("Everyone in Studio can see this clip.")).to_be_visible()
    seen.goto(page.url)
    expect(seen.get_by_text("Everyone in Studio can see")).to_have_count(0)  # it is not theirs to change
    expect(seen.get_by_role("heading", name="a red circle")).to_be_visible()
    other.close()


def signed_in(context: BrowserContext, site: str, user: User, workspace: Workspace) -> BrowserContext:
    """The browser with the session of somebody who has signed in."""
    known = browser_of(user, workspace).cookies[django_settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": django_settings.SESSION_COOKIE_NAME, "value": known, "url": site}])
    return context


def test_a_visitor_signs_in_through_a_provider_and_keeps_the_clip(
    site: str, desktop: BrowserContext, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the policy for forms, which holds for the provider's answer as well."""
    with fake_openid.serving(f"{site}/account/oidc/sso/login/callback/") as provider:
        offer_sign_in(settings, monkeypatch, provider)
        page = desktop.new_page()
        refused: list[str] = []
        page.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)
        make_a_clip(page, site, "a red circle of a visitor")
        page.wait_for_url("**/generations/*/")
        clip = page.url
        page.goto(f"{site}/account/login/")
        page.get_by_role("link", name="Continue with Studio login").click()
        page.get_by_role("button", name="Continue").click()
        page.get_by_label("Who are you?").fill("alice@example.org")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{site}/")
        page.goto(clip)
        expect(page.get_by_role("heading", name="a red circle of a visitor")).to_be_visible()
        page.goto(f"{site}/account/")
        expect(page.get_by_role("main").get_by_text("alice@example.org").first).to_be_visible()
        assert Membership.objects.get().workspace.kind == "personal"

        provider.is_broken = True
        stranger = desktop.browser.new_context().new_page()  # type: ignore[union-attr]
        stranger.goto(f"{site}/account/oidc/sso/login/")
        stranger.get_by_role("button", name="Continue").click()
        expect(stranger.get_by_role("heading", name="Studio login isn't responding right now.")).to_be_visible()
        stranger.context.close()
        assert refused == []


def test_a_key_is_rotated_and_both_work_for_a_day(site: str, phone: BrowserContext) -> None:
    owner = person("owner@example.org")
    page = signed_in(phone, site, owner, team(owner)).new_page()
    page.goto(f"{site}/workspace/keys/")
    page.get_by_label("Name", exact=True).fill("render farm")
    page.get_by_role("button", name="Create key").click()
    first = page.locator("#new-key").inner_text()
    page.goto(f"{site}/workspace/keys/")
    expect(page.locator("#new-key")).to_have_count(0)  # shown once
    page.get_by_role("button", name="Rotate").click()
    second = page.locator("#new-key").inner_text()
    rows = page.get_by_role("listitem", name="render farm")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("never")
    expect(rows.last).to_contain_text(f"{timezone.now() + api_keys.ROTATION_OVERLAP:%-d %b %Y}")
    assert [answer_to(site, key) for key in (first, second)] == [200, 200]
    with time_machine.travel(timezone.now() + api_keys.ROTATION_OVERLAP + timedelta(minutes=1)):
        assert [answer_to(site, key) for key in (first, second)] == [401, 200]
    rows.first.get_by_text("Revoke").first.click()
    rows.first.get_by_role("button", name="Revoke").click()
    expect(rows).to_have_count(1)
    assert answer_to(site, second) == 401


def answer_to(site: str, key: str) -> int:
    return requests.get(
        f"{site}/v1/videos", headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE_SECONDS
    ).status_code


def test_a_new_address_is_proved_by_its_code_and_signs_in(site: str, phone: BrowserContext) -> None:
    person("alice@example.org")
    page = phone.new_page()
    sign_in_by_password(page, site, "alice@example.org")
    page.goto(f"{site}/account/email/")
    expect(page.locator("#current_email")).to_have_value("alice@example.org")
    page.locator("input[name=email]").fill("alice@new.example")
    page.get_by_role("button", name="Change Email").click()
    page.get_by_label("Password").fill(PASSWORD)  # a borrowed session is not enough
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url("**/confirm-email/")
    expect(page.get_by_role("link", name="alice@new.example")).to_be_visible()
    code = code_mailed()
    assert mail.outbox[-1].to == ["alice@new.example"]
    assert User.objects.get().email == "alice@example.org"
    page.get_by_label("Code").fill("AAAA-AAAA")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("alert").first).to_be_visible()
    assert User.objects.get().email == "alice@example.org"
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("You have confirmed alice@new.example.")).to_be_visible()
    page.goto(f"{site}/account/email/")
    expect(page.locator("#current_email")).to_have_value("alice@new.example")
    page.goto(f"{site}/account/")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{site}/")
    sign_in_by_password(page, site, "alice@new.example")
    post_mail()
    assert any(letter.to == ["alice@example.org"] for letter in mail.outbox)  # the old address is told
