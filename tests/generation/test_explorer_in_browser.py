"""The API explorer in a real browser: it draws the site's contract under the site's policy, and asks nobody else."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from playwright.sync_api import BrowserContext, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from generation.api import reference
from tests.generation import factories

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_it_draws_every_operation_within_the_sites_policy(
    live_server: LiveServer, settings: Settings, desktop: BrowserContext
) -> None:
    settings.SITE_URL = live_server.url
    settings.STORAGES = django_settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    factories.model()
    page, hosts, said = desktop.new_page(), set[str](), list[str]()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{live_server.url}/developers/explorer/")
    expect(page.locator(".opblock")).to_have_count(len(list(reference.operations())))
    page.locator(".opblock-summary-control").first.click()
    expect(page.get_by_role("button", name="Try it out")).to_be_visible()
    assert {host for host in hosts if host} == {urlsplit(live_server.url).netloc}
    assert said == []
