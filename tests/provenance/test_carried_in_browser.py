"""The form asks about Content Credentials as soon as a file that has some is chosen, before anything is sent."""

from __future__ import annotations

import pytest
from django.conf import settings as django_settings
from playwright.sync_api import BrowserContext, FilePayload, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from tests.generation import factories
from tests.provenance.test_carried import Camera, camera

__all__ = ["camera"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_question_comes_and_goes_with_the_file(
    live_server: LiveServer, signing_site: Settings, phone: BrowserContext, camera: Camera
) -> None:
    signing_site.SITE_URL = live_server.url
    signing_site.STORAGES = django_settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    factories.model(modes=["text", "image"])
    page = phone.new_page()
    page.goto(live_server.url)
    question = page.get_by_label("Carry its Content Credentials into the clip")
    expect(question).to_be_hidden()
    page.locator(".way", has=page.locator("[type=radio][value=image]")).locator("label.chip").click()
    chooser = page.locator("input[type=file][name=image]:enabled")
    signed: FilePayload = {"name": "beach.jpg", "mimeType": "image/jpeg", "buffer": camera.take()}
    plain: FilePayload = {"name": "plain.jpg", "mimeType": "image/jpeg", "buffer": camera.plain()}
    chooser.set_input_files(signed)
    expect(question).to_be_visible()
    assert page.locator("[name=credentials_known]").is_enabled()
    chooser.set_input_files(plain)
    expect(question).to_be_hidden()
    assert page.locator("[name=credentials_known]").is_disabled()
