"""The site in another language: who gets it, where it is kept, and who is spoken to in English all the same."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client
from django.utils import translation

from accounts.models import User
from billing import ledger
from generation.provider_keys.models import ProviderKey
from generation.settlement.notifications import CLIP_ENDED
from loremotion.languages import is_in_english
from loremotion.outbox import mail as outbox_mail
from loremotion.outbox.models import MailMessage
from tests import marked_words
from tests.accounts import factories as accounts
from tests.generation import factories as clips

PAGES = [
    *("/", "/pricing/", "/models/", "/models/toy/", "/explore/", "/batch/", "/storyboards/", "/history/", "/billing/"),
    *("/account/", "/account/login/", "/account/signup/", "/account/login/code/", "/account/password/reset/", "/data/"),
    *("/verify/", "/report/", "/status/", "/transparency/", "/licences/", "/from-sora/", "/characters/", "/nowhere/"),
]
OF_MEMBERS = [
    *("/", "/billing/", "/billing/usage/", "/history/", "/account/", "/account/sessions/", "/account/apps/"),
    *("/account/email/", "/account/password/change/", "/account/2fa/", "/data/", "/workspaces/", "/workspace/"),
    *("/workspace/members/", "/workspace/keys/", "/workspace/webhooks/", "/workspace/provider-keys/"),
]
NAMES = {
    *("LoreMotion", "English", "Deutsch", "API", "EUR", "USD", "curl", "Python", "JavaScript"),
    *("Free", "Creator", "Studio", "House", "Toy", "Apache-2.0", "alice@example.org", "PROMPT", "UTC", "There"),
    *(
        "video.completed",
        "video.failed",
        "video.cancelled",
        "video.blocked",
        "spending.alert",
        "https://example.org/hooks",
    ),
}
"""What is called the same in every language, and what rows of these tests say."""
FIGURE = re.compile(r"[0-9][0-9.,:x×\u00a0–-]*( ?(s|ms|min|h)\b)?|\b[A-Z]\b")

pytestmark = pytest.mark.django_db

GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}


def choose(browser: Client, language: str, *, back: str = "/terms/") -> None:
    page = f"http://testserver{back}"
    answer = browser.post("/language/", {"language": language}, headers={"Referer": page})
    assert (answer.status_code, answer.headers["Location"]) == (302, page)


def test_the_browser_s_languages_say_which_one_a_newcomer_reads() -> None:
    page = Client().get("/terms/", headers=GERMAN)
    assert '<html lang="de">' in page.text
    assert page.headers["Content-Language"] == "de"
    assert {"Accept-Language", "Cookie"} <= set(page.headers["Vary"].split(", "))
    assert Client().get("/terms/").headers["Content-Language"] == "en"
    assert Client().get("/terms/", headers={"Accept-Language": "fr"}).headers["Content-Language"] == "en"


def test_a_choice_holds_against_the_browser_s_languages_until_the_next() -> None:
    browser = Client()
    choose(browser, "de", back="/pricing/?per=year")
    assert '<html lang="de">' in browser.get("/terms/").text
    choose(browser, "en")
    assert '<html lang="en">' in browser.get("/terms/", headers=GERMAN).text


def test_the_switch_leads_nowhere_else_and_takes_no_other_language() -> None:
    browser = Client()
    answer = browser.post("/language/", {"language": "xx"}, headers={"Referer": "https://example.org/"})
    assert answer.headers["Location"] == "/"
    assert not answer.cookies
    assert Client(enforce_csrf_checks=True).post("/language/", {"language": "de"}).status_code == 403


def test_a_person_s_choice_goes_along_to_where_they_sign_in() -> None:
    person = accounts.person()
    choose(accounts.browser_of(person), "de")
    person.refresh_from_db()
    assert person.language == "de"
    person.set_password("a long enough passphrase")
    person.save()
    elsewhere = Client()
    elsewhere.post("/account/login/", {"login": person.email, "password": "a long enough passphrase"})
    assert '<html lang="de">' in elsewhere.get("/terms/").text


def test_who_never_chose_is_written_to_in_what_they_sign_in_with() -> None:
    person = accounts.person()
    person.set_password("a long enough passphrase")
    person.save()
    Client().post("/account/login/", {"login": person.email, "password": "a long enough passphrase"}, headers=GERMAN)
    assert User.objects.get(id=person.id).language == "de"


def test_what_was_only_noted_leaves_the_pages_to_each_browser() -> None:
    person = accounts.person()
    person.set_password("a long enough passphrase")
    person.save()
    said = {"login": person.email, "password": "a long enough passphrase"}
    Client().post("/account/login/", said)
    assert User.objects.get(id=person.id).language == "en"
    german = Client(headers=GERMAN)
    german.post("/account/login/", said)
    assert '<html lang="de">' in german.get("/terms/").text
    assert User.objects.get(id=person.id).language == "en", "mail goes on as it was"
    choose(german, "en")
    elsewhere = Client(headers=GERMAN)
    elsewhere.post("/account/login/", said)
    assert '<html lang="en">' in elsewhere.get("/terms/").text, "since it was chosen"


def test_what_was_chosen_before_signing_in_counts_for_more_than_what_was_noted() -> None:
    person = accounts.person()
    person.set_password("a long enough passphrase")
    person.language = "en"
    person.save()
    browser = Client()
    choose(browser, "de")
    assert '<html lang="de">' in browser.get("/terms/").text
    browser.post("/account/login/", {"login": person.email, "password": "a long enough passphrase"})
    assert '<html lang="de">' in browser.get("/terms/").text
    assert User.objects.get(id=person.id).language == "de"


def test_what_one_person_brought_along_is_no_choice_of_the_next_one_s() -> None:
    for email, language in (("alice@example.org", "de"), ("bob@example.org", "en")):
        person = accounts.person(email)
        person.set_password("a long enough passphrase")
        person.language, person.is_language_chosen = language, language == "de"
        person.save()
    shared = Client()
    choose(shared, "de")
    for email, language in (("alice@example.org", "de"), ("bob@example.org", "en")):
        shared.post("/account/login/", {"login": email, "password": "a long enough passphrase"})
        assert f'<html lang="{language}">' in shared.get("/terms/").text
        shared.post("/account/logout/")


def test_programs_and_staff_are_answered_in_english() -> None:
    browser = Client()
    choose(browser, "de")
    for address in ("/v1/nowhere", "/v1/videos", "/robots.txt", "/llms.txt", "/status.json", "/admin/"):
        answer = browser.get(address, headers=GERMAN)
        assert "Content-Language" not in answer.headers, address
        assert "Accept-Language" not in answer.headers.get("Vary", ""), address
        assert translation.get_language() == "en", address
    assert is_in_english("/v1")
    assert not is_in_english("/verify/")


def test_no_page_says_anything_that_is_not_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    clips.model(licence="Apache-2.0")
    alice = accounts.person()
    studio = accounts.team(alice)
    ledger.grant(account=studio.id, reference="test", amount=1_000, kind=ledger.LotKind.PACK)
    made = clips.submitted(studio, prompt="PROMPT")
    ProviderKey.objects.create(
        workspace=studio, account="there", title="There", pair="p", sealed="s", said="There is busy (503)."
    )
    member = accounts.browser_of(alice, studio)
    marked_words.mark(monkeypatch)
    said = {page: left_over(Client(), page) for page in PAGES}
    said |= {f"{page} of a member": left_over(member, page) for page in (*OF_MEMBERS, f"/generations/{made.id}/")}
    assert {page: words for page, words in said.items() if words} == {}


def left_over(browser: Client, page: str) -> list[str]:
    """What the page says that is neither marked as translated nor a name or figure."""
    found = marked_words.Page(browser.get(page, headers=GERMAN).text).unmarked
    names = re.compile("|".join(sorted(map(re.escape, NAMES), key=len, reverse=True)))
    rest = {words: FIGURE.sub("", names.sub("", words)) for words in found}
    return [words for words, others in rest.items() if any(character.isalpha() for character in others)]


def test_mail_is_in_the_language_of_whoever_reads_it() -> None:
    clips.model()
    alice = accounts.person()
    studio = accounts.team(alice)
    ledger.grant(account=studio.id, reference="test", amount=100, kind=ledger.LotKind.PACK)
    User.objects.filter(id=alice.id).update(language="de")
    made = clips.submitted(studio, prompt="ein Fuchs")
    told = MailMessage(user=alice, workspace=studio, content=CLIP_ENDED, about=made.id)
    outbox_mail.write([told], occasion="a test")
    Client().post("/account/login/code/", {"email": "alice@example.org"}, headers=GERMAN)
    translation.activate("en")  # as in the worker
    accounts.post_mail()
    assert [sent.subject for sent in mail.outbox] == ["Dein Clip hat nicht geklappt", "Anmeldecode"]
    assert "„ein Fuchs“ hat nicht geklappt." in mail.outbox[0].body
    assert "Unten steht dein Anmeldecode." in mail.outbox[1].body


def test_an_error_says_in_german_what_happened_and_what_is_next() -> None:
    page = Client(headers=GERMAN).get("/nowhere/").text
    assert "Hier ist nichts, oder es gehört dir nicht." in page
    assert "Clip machen" in page
