"""What the site tells browsers, robots and finders of weaknesses, and whom it believes about addresses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core import signing
from django.test import Client

from loremotion import encryption
from loremotion.local.stack import Stack
from loremotion.local.visitor import Visitor
from tests.prepared_site import NewSite

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.django_db
def test_no_page_may_ask_for_a_device() -> None:
    for address in ("/", "/nowhere/", "/robots.txt"):
        assert "camera=()" in Client().get(address).headers["Permissions-Policy"]


@pytest.mark.django_db
def test_no_header_names_a_program_and_none_is_read_as_another_kind() -> None:
    for address in ("/", "/nowhere/", "/robots.txt"):
        headers = Client().get(address).headers
        assert not {"Server", "X-Powered-By", "Via"} & set(headers)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"


def test_robots_are_told_what_is_private() -> None:
    said = Client().get("/robots.txt")
    assert said.headers["Content-Type"] == "text/plain"
    assert "Disallow: /generations/" in said.text


def test_where_to_report_a_weakness_is_said_where_somebody_is_named(settings: Any) -> None:
    assert Client().get("/.well-known/security.txt").status_code == 404
    settings.SECURITY_CONTACT = "mailto:security@example.org"
    said = Client().get("/.well-known/security.txt").text
    assert "Contact: mailto:security@example.org\nExpires: 20" in said


def told(**environment: str) -> dict[str, str]:
    """Settings that a process with this environment would have."""
    names = (
        "IS_HTTPS",
        "DEBUG",
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SECURE_HSTS_PRELOAD",
        "SECURE_HSTS_INCLUDE_SUBDOMAINS",
    )
    code = f"from loremotion import settings; print(*(getattr(settings, name) for name in {names}))"
    said = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    return dict(zip(names, said.stdout.split(), strict=True))


def test_the_whole_domain_is_promised_only_where_somebody_says_so() -> None:
    assert told(SITE_URL="https://clips.example")["SECURE_HSTS_INCLUDE_SUBDOMAINS"] == "False"
    assert set(told(SITE_URL="https://clips.example", HSTS_PRELOAD="True").values()) == {"True"}
    assert told(SITE_URL="http://127.0.0.1", HSTS_PRELOAD="True")["SECURE_HSTS_PRELOAD"] == "False"


def test_https_is_https_however_it_is_spelled() -> None:
    assert told(SITE_URL="HTTPS://clips.example")["SESSION_COOKIE_SECURE"] == "True"


def test_a_short_former_key_refuses_to_start() -> None:
    with pytest.raises(AssertionError, match="SECRET_KEY_FALLBACKS"):
        told(SECRET_KEY_FALLBACKS="short")


def test_a_key_is_replaced_and_what_it_signed_and_sealed_still_opens(settings: Any) -> None:
    signed, sealed = signing.dumps("mine"), encryption.seal("mine", purpose="a test")
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another key of at least thirty-two characters"
    with pytest.raises(signing.BadSignature):
        signing.loads(signed)
    settings.SECRET_KEY_FALLBACKS = [former]
    assert signing.loads(signed) == encryption.unseal(sealed, purpose="a test") == "mine"
    anew = encryption.seal("mine", purpose="a test")
    settings.SECRET_KEY_FALLBACKS = []
    assert encryption.unseal(anew, purpose="a test") == "mine"


def test_what_is_sealed_and_changed_or_meant_for_another_purpose_is_not_opened() -> None:
    sealed = encryption.seal("mine", purpose="a test")
    assert sealed != encryption.seal("mine", purpose="a test")
    changed = sealed[:-8] + ("A" if sealed[-8] != "A" else "B") + sealed[-7:]
    for text, purpose in ((changed, "a test"), (sealed, "another")):
        with pytest.raises(encryption.Unreadable):
            encryption.unseal(text, purpose=purpose)


def test_an_address_that_the_caller_writes_down_is_not_believed(new_site: NewSite) -> None:
    """Without a proxy in front, many newcomers of one network are many, whatever they say of themselves."""
    with Stack(
        new_site("headers"), is_prepared=True, processes=("web",), settings={"VISITORS_PER_NETWORK_PER_DAY": "2"}
    ) as site:
        with Visitor(site.url) as first:
            first.create("a red circle")
        answers = []
        for number in range(3):
            with httpx.Client(base_url=site.url, timeout=60, headers={"X-Forwarded-For": f"203.0.{number}.7"}) as other:
                other.get("/")
                form = {"csrfmiddlewaretoken": other.cookies["csrftoken"], "prompt": "a fox"}
                answers.append(other.post("/generations/", data=form).status_code)
        assert answers == [403] * 3
