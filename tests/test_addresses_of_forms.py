"""Where a form is sent to is an address too: who reloads it, or is led there after signing in, gets a page."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve, reverse
from django.urls.converters import get_converters

from tests.accounts.factories import browser_of, person

pytestmark = pytest.mark.django_db

CLIP = "5f4b9aa4-9a4c-4f0e-9d0e-6f2c0f1b8d11"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
OURS = ("accounts", "billing", "catalog", "generation")


def addresses(resolver: URLResolver | None = None, route: str = "/") -> Iterator[str]:
    """One address of every view of ours, with something in the place of each part."""
    for pattern in (resolver or get_resolver()).url_patterns:
        whole = route + str(pattern.pattern).removeprefix("^").removesuffix("$")
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern, whole)
        elif isinstance(pattern, URLPattern) and pattern.name and "(" not in whole:
            yield filled(whole)


def filled(route: str) -> str:
    values = {"uuid": str(uuid4()), "int": "1", "str": "x", "slug": "x", "path": "1"}
    assert values.keys() <= get_converters().keys()
    for kind, value in values.items():
        while f"<{kind}:" in route:
            before, _, after = route.partition(f"<{kind}:")
            route = before + value + after.partition(">")[2]
    return route.replace("<version>", "1")


def is_ours(address: str) -> bool:
    return resolve(address).func.__module__.split(".")[0] in OURS


@pytest.fixture
def browser() -> Client:
    return browser_of(person(is_staff=True))


def test_no_address_of_ours_ends_in_a_bare_405(browser: Client) -> None:
    looked = 0
    for address in addresses():
        if not is_ours(address) or address.startswith(("/worker/", "/v1/")) or address.endswith("/events/"):
            continue
        answer = browser.get(address, headers=BROWSER)
        looked += 1
        assert answer.status_code != 405, address
    assert looked > 60


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("/generations/", "/"),
        (f"/generations/{CLIP}/cancel/", f"/generations/{CLIP}/"),
        ("/billing/buy/", "/billing/"),
        ("/billing/plan/change/", "/billing/"),
        ("/workspaces/new/", "/workspaces/"),
        ("/workspace/keys/1/rotate/", "/workspace/keys/"),
        ("/data/erase/", "/data/"),
        ("/staff/stop-looking/", "/"),
    ],
)
def test_it_leads_to_the_page_above_it(client: Client, address: str, page: str) -> None:
    answer = client.get(address + "?x=1", headers=BROWSER)
    assert (answer.status_code, answer["Location"]) == (302, page)
    assert "no-store" in answer["Cache-Control"]


def test_whoever_is_led_there_reads_that_nothing_was_sent(client: Client) -> None:
    assert "Nothing was sent." in client.get("/generations/", headers=BROWSER, follow=True).text
    assert "Nothing was sent." not in client.get("/", headers=BROWSER).text


def test_a_form_that_is_sent_to_a_page_is_answered_with_one(client: Client) -> None:
    answer = client.post("/history/", {}, headers=BROWSER)
    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD"
    assert reverse("generation:home") in answer.text


@pytest.mark.parametrize("address", ["/v1/models", "/v1/openapi.json", "/v1/videos"])
def test_programs_get_a_problem_document(client: Client, address: str) -> None:
    client.cookies["csrftoken"] = "c" * 32
    answer = client.delete(address)
    assert answer.status_code == 405
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "method_not_allowed"
    assert "GET" in answer["Allow"]


def test_a_script_of_a_page_gets_one_too(client: Client) -> None:
    answer = client.post("/generations/price/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
