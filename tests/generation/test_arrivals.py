"""What a GPU host may send to the addresses in its job: each file once, while its attempt is open, and as announced."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core import signing
from django.core.files.storage import default_storage
from django.test import Client
from pytest_django import Settings

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation, State
from generation.scheduling import dispatch
from generation.settlement import settle
from generation.storage import arrivals, files
from tests.generation import factories

TYPES = {"clip": "video/mp4", "poster": "image/jpeg"}


@pytest.fixture
def dispatched(toy: Model, alice: Visitor, settings: Settings) -> Generation:
    settings.CLIP_UPLOAD = "http"
    generation = factories.submitted(alice.workspace)
    dispatch.fill_window()
    generation.refresh_from_db()
    return generation


def send(generation: Generation, body: bytes = factories.CLIP_BYTES, role: str = "clip", **changes: Any) -> int:
    """Send to the address that the job of the present attempt has, or to ``address``. Returns the status."""
    address = changes.pop("address", None) or files.outputs(generation)[role]
    options = {"content_type": TYPES[role]} | changes
    return Client().put(address, body, **options).status_code


def stored(generation: Generation) -> list[str]:
    folder = Path(default_storage.path(f"clips/{generation.id}"))
    return sorted(file.name for file in folder.iterdir()) if folder.exists() else []


def test_both_files_arrive(dispatched: Generation) -> None:
    assert send(dispatched) == 204
    assert send(dispatched, b"picture", "poster") == 204
    assert stored(dispatched) == ["clip.mp4", "poster.jpg"]
    assert default_storage.open(files.key(dispatched, files.CLIP)).read() == factories.CLIP_BYTES


def test_the_same_bytes_again_get_the_same_answer_and_others_none(dispatched: Generation) -> None:
    assert send(dispatched) == 204
    assert send(dispatched) == 204
    assert send(dispatched, b"<html>not a film") == 409
    assert stored(dispatched) == ["clip.mp4"]
    assert default_storage.open(files.key(dispatched, files.CLIP)).read() == factories.CLIP_BYTES


def test_the_next_attempt_replaces_what_the_one_before_sent(dispatched: Generation) -> None:
    assert send(dispatched, b"of the first attempt") == 204
    old = files.outputs(dispatched)["clip"]
    factories.lose_worker(dispatched, 1)
    assert send(dispatched, address=old) == 404  # nobody has it now
    dispatch.fill_window()
    dispatched.refresh_from_db()
    assert send(dispatched, address=old) == 404
    assert send(dispatched) == 204
    assert default_storage.open(files.key(dispatched, files.CLIP)).read() == factories.CLIP_BYTES


@pytest.mark.parametrize("state", [State.QUEUED, State.SUCCEEDED, State.FAILED, State.CANCELLED, State.BLOCKED])
def test_an_attempt_that_is_not_open_takes_nothing(dispatched: Generation, state: State) -> None:
    address = files.outputs(dispatched)["clip"]
    Generation.objects.filter(id=dispatched.id).update(state=state)
    assert send(dispatched, address=address) == 404
    assert stored(dispatched) == []


def test_an_attempt_that_ends_while_its_file_arrives_takes_nothing(
    dispatched: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(arrivals._Hashed):
        def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
            yield from super().chunks(chunk_size)
            settle.cancel(dispatched)

    monkeypatch.setattr(arrivals, "_Hashed", Slow)
    assert send(dispatched) == 404
    assert stored(dispatched) == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"content_type": "text/html"}, 415),
        ({"role": "poster", "content_type": "video/mp4"}, 415),
        ({"CONTENT_LENGTH": ""}, 411),
        ({"CONTENT_LENGTH": "many"}, 411),
    ],
)
def test_what_is_not_announced_as_the_file_is_not_taken(
    dispatched: Generation, changes: dict[str, Any], status: int
) -> None:
    assert send(dispatched, **changes) == status
    assert stored(dispatched) == []


def test_a_body_that_ends_early_is_not_taken(dispatched: Generation) -> None:
    token = files.outputs(dispatched)["clip"].rpartition("/")[2]
    permit = files.permit_from_token(token)
    assert permit is not None
    announced = arrivals.Announced("video/mp4", len(factories.CLIP_BYTES))
    assert arrivals.take(permit, io.BytesIO(factories.CLIP_BYTES[:-1]), announced) == 400
    assert stored(dispatched) == []


@pytest.mark.parametrize("problem", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_so_and_keeps_nothing(
    dispatched: Generation, monkeypatch: pytest.MonkeyPatch, problem: int
) -> None:
    class Full(arrivals._Hashed):
        def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
            yield b"the first part"
            raise OSError(problem, "no room")

    monkeypatch.setattr(arrivals, "_Hashed", Full)
    assert send(dispatched) == 507
    assert stored(dispatched) == []


@pytest.mark.parametrize("bounds", [[], [1_000]], ids=["key", "key and size"])
def test_addresses_of_the_last_release_are_good_for_its_attempts_alone(
    dispatched: Generation, bounds: list[int]
) -> None:
    key = files.key(dispatched, files.CLIP)
    token = signing.dumps([key, *bounds] if bounds else key, salt="generation.files.upload")
    address = f"/worker/files/{token}"
    assert send(dispatched, address=address) == 404
    Generation.objects.filter(id=dispatched.id).update(has_attempt_secret=False)
    assert send(dispatched, address=address) == 204
