"""The version of the API that an answer is of, and how it says that something is on its way out."""

from __future__ import annotations

from datetime import date
from email.utils import parsedate_to_datetime

import pytest
from django.test import Client
from pytest_django import Settings

from loremotion import api_versions
from loremotion.api_versions import VERSIONS, Deprecated

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/v1/models", "/v1/videos", "/v1/openapi.json", "/v1/nothing"])
def test_every_answer_says_its_version(client: Client, path: str) -> None:
    assert client.get(path)["LoreMotion-Version"] == VERSIONS[-1]
    assert "LoreMotion-Version" not in client.get("/")


def test_whoever_names_a_version_is_answered_by_it_or_refused(client: Client) -> None:
    asked = {"LoreMotion-Version": VERSIONS[0]}
    assert client.get("/v1/models", headers=asked)["LoreMotion-Version"] == VERSIONS[0]
    refused = client.get("/v1/models", headers={"LoreMotion-Version": "1999-01-01"})
    assert (refused.status_code, refused.json()["code"]) == (400, "unknown_version")
    assert VERSIONS[-1] in refused.json()["detail"]


def test_what_is_on_its_way_out_says_since_when_and_until_when(
    client: Client, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    going = Deprecated(date(2027, 1, 1), date(2027, 7, 1), "models")
    monkeypatch.setattr(api_versions, "DEPRECATED", {"catalog:api-models": going})
    answer = client.get("/v1/models")
    assert answer["Deprecation"] == "@1798761600"
    assert parsedate_to_datetime(answer["Sunset"]).date() == going.until
    page = f"<{settings.SITE_URL}/developers/#models>"
    assert answer["Link"] == f'{page}; rel="deprecation", {page}; rel="sunset"'
    assert "Deprecation" not in client.get("/v1/videos")


def test_nobody_is_given_less_notice_than_was_promised() -> None:
    with pytest.raises(ValueError, match="180 days"):
        Deprecated(date(2027, 1, 1), date(2027, 5, 1), "models")
