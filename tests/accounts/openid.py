"""A browser's way through a sign-in at the provider, and back."""

from __future__ import annotations

import json
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from django.test import Client

from accounts.models import User
from tests.patience import PATIENCE_SECONDS

Answer = Any
"""Of Django's client: a response, with ``text`` and ``content``."""

LOGIN = "/account/oidc/sso/login/"


def to_the_provider(browser: Client, address: str = LOGIN) -> str:
    """Where the site sends a browser that wants in."""
    answer = browser.post(address)
    assert answer.status_code == 302, answer.text
    return answer["Location"]


def way_back(asked_at: str, email: str) -> str:
    """Who somebody is said to be at the provider's page; the address on our site that it sends the browser to."""
    page = requests.get(asked_at, timeout=PATIENCE_SECONDS)
    assert page.status_code == 200, page.text
    asked = {name: values[0] for name, values in parse_qs(urlsplit(asked_at).query).items()}
    said = {"asked": json.dumps(asked), "email": email}
    answer = requests.post(asked_at, data=said, allow_redirects=False, timeout=PATIENCE_SECONDS)
    back = urlsplit(answer.headers["Location"])
    return f"{back.path}?{back.query}"


def walk(browser: Client, email: str = "new@example.org", address: str = LOGIN) -> Answer:
    return browser.get(way_back(to_the_provider(browser, address), email))


def is_signed_in(browser: Client) -> bool:
    return "_auth_user_id" in browser.session


def is_refused(answer: Answer, browser: Client, *, people: int = 0) -> None:
    """A page that says what happened and what to do, and nothing in the books."""
    assert answer.status_code == 403
    page = unescape(answer.content.decode())
    assert "Signing in with Studio login didn't work." in page
    assert "Start again" in page
    assert not is_signed_in(browser)
    assert User.objects.count() == people
