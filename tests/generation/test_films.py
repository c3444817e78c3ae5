"""A storyboard's film: joined when somebody asks for it, sent piece by piece, and few at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.test import Client

from accounts.models import Visitor
from catalog.models import Model
from generation.storage import joining
from generation.storyboards.models import Scene, Storyboard
from gpu_worker import sandbox
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished

FILM = b"film" * 100_000
pytestmark = pytest.mark.django_db


class Joiner:
    """In place of the program that joins: announces a film of ``says`` bytes and sends ``FILM``."""

    says = len(FILM)

    @contextmanager
    def reading(self, *_: Any, **__: Any) -> Iterator[tuple[dict[str, Any], io.BytesIO]]:
        yield {"bytes": self.says}, io.BytesIO(FILM)


@pytest.fixture
def joiner(monkeypatch: pytest.MonkeyPatch) -> Joiner:
    monkeypatch.setattr(sandbox, "reading", (made := Joiner()).reading)
    monkeypatch.setattr(joining, "is_offered", lambda: True)
    return made


@pytest.fixture
def browser(alice: Visitor, client_of: ClientOf) -> Client:
    return client_of(alice)


@pytest.fixture
def address(toy: Model, alice: Visitor, joiner: Joiner) -> str:
    board = Storyboard.objects.create(workspace=alice.workspace, title="A day", model=toy.slug)
    Scene.objects.create(storyboard=board, position=1, clip=finished(alice))
    return f"/storyboards/{board.id}/film.mp4"


def test_it_is_sent_piece_by_piece(browser: Client, address: str) -> None:
    answer = browser.get(f"{address}?download")
    assert (answer.status_code, answer.streaming, answer["Content-Length"]) == (200, True, str(len(FILM)))
    pieces = list(answer)
    assert b"".join(pieces) == FILM
    assert len(pieces) > 1
    assert answer["Content-Disposition"] == 'attachment; filename="a-day.mp4"'


def test_one_that_is_still_sent_counts_until_it_has_been_sent(browser: Client, address: str) -> None:
    sent = [browser.get(address) for _ in range(joining.MOST_OF_ONE)]
    refused = browser.get(address)
    assert (refused.status_code, "films are being sent to you already" in refused.text) == (429, True)
    assert b"".join(sent.pop()) == FILM
    assert b"".join(browser.get(address)) == FILM


@pytest.mark.parametrize("says", [0, len(FILM) + 1, 3 * joining.MOST_BYTES])
def test_what_could_not_be_joined_is_told_and_keeps_no_place(
    browser: Client, address: str, joiner: Joiner, says: int
) -> None:
    joiner.says = says
    for _ in range(joining.MOST_OF_ONE + 1):
        assert browser.get(address).status_code == 409
    joiner.says = len(FILM)
    assert b"".join(browser.get(address)) == FILM
