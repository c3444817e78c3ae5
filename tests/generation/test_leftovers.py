"""Files that no row knows go, an hour after somebody last wrote to them, and nothing else does."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation, State
from generation.scheduling import dispatch
from generation.settlement import settle
from generation.storage import folder, leftovers, s3
from generation.storage.folder import FolderStore
from generation.storage.store import LEFT_AFTER_SECONDS, store
from tests.generation import factories

AGO = 2 * LEFT_AFTER_SECONDS


@pytest.fixture(autouse=True)
def own_store(each_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests leave is not in the way, and time need not pass."""
    if each_store == "bucket":  # it notes by itself when a file came
        monkeypatch.setattr(leftovers, "LEFT_AFTER_SECONDS", -60.0)


def put(generation_id: object, name: str, *, seconds_ago: float = AGO) -> str:
    key = f"clips/{generation_id}/{name}"
    store().delete(key)
    store().save(key, ContentFile(b"bytes"))
    if isinstance(default_storage, FolderStore):
        file = Path(default_storage.path(key))
        for path in (file, file.parent):
            os.utime(path, (time.time() - seconds_ago,) * 2)
    return key


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
    assert store().exists(clip)
    assert store().exists(poster)
    assert not any(store().exists(half) for half in halves)


def test_what_may_still_arrive_stays(made: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "LEFT_AFTER_SECONDS", LEFT_AFTER_SECONDS)
    young = put(made.id, "clip.mp4.0a.arriving", seconds_ago=60)
    leftovers.sweep_leftovers()
    assert store().exists(young)


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED, State.BLOCKED])
def test_the_files_of_what_made_no_clip_go_with_their_folder(toy: Model, alice: Visitor, state: State) -> None:
    ended = factories.submitted(alice.workspace)
    Generation.objects.filter(id=ended.id).update(state=state)
    clip = put(ended.id, "clip.mp4")
    leftovers.sweep_leftovers()
    assert not store().exists(clip)
    if isinstance(default_storage, FolderStore):
        place = Path(default_storage.path(clip)).parent
        os.utime(place, (time.time() - AGO,) * 2)
        leftovers.sweep_leftovers()
        assert not place.exists()


def test_the_files_of_what_is_open_stay_however_old(toy: Model, alice: Visitor) -> None:
    clip = put(factories.submitted(alice.workspace).id, "clip.mp4")
    leftovers.sweep_leftovers()
    assert store().exists(clip)


def test_the_files_of_nobody_go(db: None) -> None:
    clip = put(uuid.uuid4(), "clip.mp4")
    leftovers.sweep_leftovers()
    assert not store().exists(clip)


@pytest.mark.parametrize("name", ["lost+found", "not-ours"])
def test_what_is_no_folder_of_ours_stays(db: None, name: str) -> None:
    file = put(name, "kept.txt")
    leftovers.sweep_leftovers()
    assert store().exists(file)


def test_a_round_looks_at_so_many_folders_and_the_next_goes_on(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "FOLDERS_A_ROUND", 3)
    monkeypatch.setattr(s3, "FILES_A_ROUND", 3)
    files = [put(uuid.uuid4(), "clip.mp4") for _ in range(8)]
    left = []
    for _ in range(3):
        leftovers.sweep_leftovers()
        left.append(sum(store().exists(file) for file in files))
    assert left == [5, 2, 0]
