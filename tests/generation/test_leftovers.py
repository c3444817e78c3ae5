"""Files that no row knows go, an hour after somebody last wrote to them, and nothing else does."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from typing import Any, cast

import pytest
from django.core.files.storage import FileSystemStorage

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation, State
from generation.scheduling import dispatch
from generation.settlement import settle
from generation.storage import leftovers
from tests.generation import factories

AGO = 2 * leftovers.LEFT_AFTER_SECONDS


@pytest.fixture(autouse=True)
def own_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests leave is not in the way."""
    monkeypatch.setattr(leftovers, "default_storage", FileSystemStorage(location=tmp_path))


def put(generation_id: object, name: str, *, seconds_ago: float = AGO) -> Path:
    file = Path(cast(Any, leftovers).default_storage.path(f"clips/{generation_id}/{name}"))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"bytes")
    for path in (file, file.parent):
        os.utime(path, (time.time() - seconds_ago,) * 2)
    return file


@pytest.fixture
def made(toy: Model, alice: Visitor) -> Generation:
    generation = factories.submitted(alice.workspace)
    dispatch.fill_window()
    factories.deliver_clip(generation)
    assert settle.settle(factories.report(generation))
    return generation


def test_what_is_half_written_goes_and_the_clip_stays(made: Generation) -> None:
    clip, poster = put(made.id, "clip.mp4"), put(made.id, "poster.jpg")
    halves = [put(made.id, "clip.mp4.0a.arriving"), put(made.id, ".clip.mp4.0a.part")]
    leftovers.sweep_leftovers()
    assert clip.exists()
    assert poster.exists()
    assert not any(half.exists() for half in halves)


def test_what_may_still_arrive_stays(made: Generation) -> None:
    young = put(made.id, "clip.mp4.0a.arriving", seconds_ago=60)
    leftovers.sweep_leftovers()
    assert young.exists()


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED, State.BLOCKED])
def test_the_files_of_what_made_no_clip_go_with_their_folder(toy: Model, alice: Visitor, state: State) -> None:
    ended = factories.submitted(alice.workspace)
    Generation.objects.filter(id=ended.id).update(state=state)
    clip = put(ended.id, "clip.mp4")
    leftovers.sweep_leftovers()
    assert not clip.exists()
    os.utime(clip.parent, (time.time() - AGO,) * 2)
    leftovers.sweep_leftovers()
    assert not clip.parent.exists()


def test_the_files_of_what_is_open_stay_however_old(toy: Model, alice: Visitor) -> None:
    clip = put(factories.submitted(alice.workspace).id, "clip.mp4")
    leftovers.sweep_leftovers()
    assert clip.exists()


def test_the_files_of_nobody_go(db: None) -> None:
    clip = put(uuid.uuid4(), "clip.mp4")
    leftovers.sweep_leftovers()
    assert not clip.exists()


@pytest.mark.parametrize("name", ["lost+found", "not-ours"])
def test_what_is_no_folder_of_ours_stays(db: None, name: str) -> None:
    file = put(name, "kept.txt")
    leftovers.sweep_leftovers()
    assert file.exists()


def test_a_round_looks_at_so_many_folders_and_the_next_goes_on(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "FOLDERS_A_ROUND", 3)
    files = [put(uuid.uuid4(), "clip.mp4") for _ in range(8)]
    left = []
    for _ in range(3):
        leftovers.sweep_leftovers()
        left.append(sum(file.exists() for file in files))
    assert left == [5, 2, 0]
