"""``POST /v1/verify`` says to programs what the page says to people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from accounts.models import Visitor
from generation.models import Clip, Generation
from generation.provenance import inspection_slots
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_reference import complaints
from tests.provenance.conftest import SITE, Delivered, settle_signed
from tests.provenance.test_signing import clip_of, content

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(signing_site: Settings, delivered: Delivered) -> Generation:
    factories.model()
    generation = factories.submitted(factories.visitor(credits=100).workspace, prompt="a very private wish")
    assert settle_signed(delivered(generation))
    return generation


@pytest.fixture
def caller(alice: Visitor, client_of: ClientOf) -> Client:
    return client_of(alice)


def verified(client: Client, stored: bytes) -> dict[str, Any]:
    """The answer, which keeps to the contract."""
    answer = client.post("/v1/verify", {"file": SimpleUploadedFile("a.mp4", stored)})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    assert complaints(client.get("/v1/openapi.json").json(), "Verification", found) == []
    return found


def test_a_signed_clip_of_this_site_is_known_to_strangers(made: Generation, caller: Client) -> None:
    found = verified(caller, content(clip_of(made).key))
    said = found["credentials"]
    assert (said["state"], said["is_ours"], said["signed_by"]) == ("trusted", True, SITE)
    assert (said["made_with"], said["is_ai_generated"]) == ("Toy", True)
    assert (found["record"]["known_by"], found["record"]["model"]) == ("file", "Toy")
    assert str(made.id) not in str(found)


def test_when_it_was_made_is_told_to_the_day(made: Generation, caller: Client) -> None:
    Clip.objects.update(created_at=datetime(2026, 5, 17, 21, 4, 59, tzinfo=UTC))
    found = verified(caller, content(clip_of(made).key))
    assert found["record"]["created_at"] == int(datetime(2026, 5, 17, tzinfo=UTC).timestamp())


def test_what_is_changed_is_broken_and_nothing_of_it_is_repeated(made: Generation, caller: Client) -> None:
    changed = bytearray(content(clip_of(made).key))
    changed[-1] ^= 1
    found = verified(caller, bytes(changed))
    assert found["credentials"]["state"] == "broken"
    assert (found["credentials"]["is_ours"], found["credentials"]["signed_by"], found["record"]) == (None, None, None)


def test_what_has_no_mark_proves_nothing(caller: Client, film: bytes) -> None:
    found = verified(caller, film)
    assert (found["credentials"]["state"], found["record"]) == ("none", None)
    assert "proves nothing" in found["proves"]


@pytest.mark.parametrize("body", [{}, {"file": "words"}, {"file": SimpleUploadedFile("a.mp4", b"")}, {"flie": "x"}])
def test_a_body_without_a_file_is_refused_by_the_fields_name(caller: Client, body: dict[str, Any]) -> None:
    answer = caller.post("/v1/verify", body)
    assert answer.status_code == 422
    assert answer.json()["error"]["param"] in ("file", "flie")


def test_nobody_is_asked_for_a_key(client: Client, film: bytes) -> None:
    assert client.post("/v1/verify", {"file": SimpleUploadedFile("a.mp4", film)}).status_code == 401


def test_it_shares_its_slots_with_the_page(caller: Client, film: bytes) -> None:
    with inspection_slots.slot_of("198.51.1.0"), inspection_slots.slot_of("198.51.2.0"):
        answer = caller.post("/v1/verify", {"file": SimpleUploadedFile("a.mp4", film)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")
