"""Terms, privacy and licences, as everybody reads them."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

from generation.legal.models import LegalPage
from tests.generation import factories


@pytest.mark.parametrize("slug", ["terms", "privacy"])
def test_legal_pages_say_that_they_are_a_template_until_staff_writes_them(client: Client, db: None, slug: str) -> None:
    assert "not legal advice" in client.get(f"/{slug}/").text
    LegalPage.objects.create(slug=slug, text="# Ours\nAll <b>ours</b>.\n\n# Law\n\nThe law.")
    page = client.get(f"/{slug}/").text
    assert "not legal advice" not in page
    assert "<h2>Ours</h2>" in page
    assert "All &lt;b&gt;ours&lt;/b&gt;." in page
    assert "<h2>Law</h2>" in page


def test_licences_are_those_of_the_catalogue(client: Client, db: None) -> None:
    factories.model("toy", attribution="Built with Toy.", blocked_territories=["EU"])
    page = client.get("/licences/").text
    assert "Apache-2.0" in page
    assert "Built with Toy." in page
    assert "Not for use in" in page


@pytest.mark.parametrize("address", ["/terms/", "/pricing/", "/nowhere/"])
def test_whom_people_write_to_is_shown_once_somebody_is_named(
    client: Client, db: None, settings: Settings, address: str
) -> None:
    assert "mailto:" not in client.get(address).text
    settings.CONTACT_EMAIL = "help@example.org"
    assert client.get(address).text.count('href="mailto:help@example.org"') == 2, "on the page and in its footer"
