"""A clip leaves as a GIF or a WebM too: made once, by a program that may do little else, and gone with the clip."""

from __future__ import annotations

import errno
import io
import math
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

import av
import pytest
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from PIL import Image

from accounts.models import Visitor
from catalog.models import Model
from generation import workspace_data
from generation.models import Clip, Generation
from generation.settlement import deletion
from generation.storage import conversions, files, leftovers
from generation.storage.spritesheets import Layout, track
from loremotion import page_deadline
from loremotion.refusals import Conflict, Unavailable
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished
from tests.media_files import write_video

SIZE = (64, 48)


@pytest.fixture
def made(toy: Model, alice: Visitor) -> Generation:
    return finished(alice, prompt="a red fox")


@pytest.fixture
def browser(alice: Visitor, client_of: ClientOf) -> Client:
    return client_of(alice)


@pytest.fixture
def conversions_made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []

    def convert(file: IO[bytes], suffix: str, **layout: Any) -> bytes:
        assert file.read() == factories.CLIP_BYTES
        made.append(suffix)
        return suffix.encode()

    monkeypatch.setattr(conversions, "convert", convert)
    return made


def test_a_clip_is_converted_once(made: Generation, browser: Client, conversions_made: list[str]) -> None:
    for _ in range(2):
        answer = browser.get(f"/generations/{made.id}/clip.gif?download")
        assert b"".join(answer) == b"gif"
        assert answer["Content-Type"] == "image/gif"
        assert answer["Content-Disposition"] == 'attachment; filename="a-red-fox.gif"'
    assert b"".join(browser.get(f"/generations/{made.id}/clip.webm")) == b"webm"
    assert conversions_made == ["gif", "webm"]


def test_what_was_made_of_a_clip_is_no_leftover_and_goes_with_it(
    made: Generation,
    browser: Client,
    conversions_made: list[str],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[list[Any]]],
) -> None:
    browser.get(f"/generations/{made.id}/clip.gif")
    key = files.converted_key(made.id, "gif")
    monkeypatch.setattr(leftovers, "LEFT_AFTER_SECONDS", -60.0)
    leftovers.sweep_leftovers()
    assert default_storage.exists(key)
    with django_capture_on_commit_callbacks(execute=True):
        deletion.delete(made)
    assert not default_storage.exists(key)


def test_what_was_made_of_a_clip_goes_with_its_workspace(
    made: Generation,
    browser: Client,
    conversions_made: list[str],
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[list[Any]]],
) -> None:
    browser.get(f"/generations/{made.id}/clip.gif")
    kept = [files.key(made, files.CLIP), files.converted_key(made.id, "gif")]
    assert all(map(default_storage.exists, kept))
    with django_capture_on_commit_callbacks(execute=True):
        workspace_data.erase(made.workspace)
    assert not any(map(default_storage.exists, kept))


def test_what_was_written_by_half_is_made_anew(
    made: Generation, browser: Client, conversions_made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(self: ContentFile[bytes], chunk_size: int | None = None) -> Iterator[bytes]:
        yield b"g"
        raise OSError(errno.ENOSPC, "the disk is full")

    with monkeypatch.context() as full:
        full.setattr(ContentFile, "chunks", break_off)
        with pytest.raises(OSError, match="full"):
            browser.get(f"/generations/{made.id}/clip.gif")
    folder = files.key(made, files.CLIP).rpartition("/")[0]
    assert sorted(default_storage.listdir(folder)[1]) == ["clip.mp4", "poster.jpg"]
    assert b"".join(browser.get(f"/generations/{made.id}/clip.gif")) == b"gif"


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_of_a_clip_that_is_deleted_meanwhile_nothing_is_left(
    made: Generation, browser: Client, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def convert(file: IO[bytes], suffix: str) -> bytes:
        files.delete(made)
        Generation.objects.filter(id=made.id).update(deleted_at=timezone.now())
        return b"gif"

    monkeypatch.setattr(conversions, "convert", convert)
    if when == "before":
        default_storage.delete(files.key(made, files.CLIP))
    assert browser.get(f"/generations/{made.id}/clip.gif").status_code == 404
    assert not default_storage.exists(files.converted_key(made.id, "gif"))


def test_the_page_offers_them_where_they_can_be_made(
    made: Generation, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "clip.gif?download" in browser.get(f"/generations/{made.id}/").text
    monkeypatch.setattr(conversions, "is_offered", lambda: False)
    assert "clip.gif" not in browser.get(f"/generations/{made.id}/").text
    assert browser.get(f"/generations/{made.id}/clip.gif").status_code == 404


def test_another_s_clip_is_not_there(made: Generation, bob: Visitor, client_of: ClientOf) -> None:
    assert client_of(bob).get(f"/generations/{made.id}/clip.gif").status_code == 404


def test_who_has_to_wait_too_long_is_told_so(
    made: Generation, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversions, "WAIT_SECONDS", 0.0)
    for _ in range(conversions.AT_ONCE):
        assert conversions._places.acquire(blocking=False)
    try:
        assert browser.get(f"/generations/{made.id}/clip.gif").status_code == 503
    finally:
        for _ in range(conversions.AT_ONCE):
            conversions._places.release()


def test_one_workspace_waits_for_one_conversion_at_a_time(
    made: Generation, browser: Client, conversions_made: list[str]
) -> None:
    slot = conversions._own.take(made.workspace_id, most=1)
    assert browser.get(f"/generations/{made.id}/clip.gif").status_code == 429
    slot.release()
    assert browser.get(f"/generations/{made.id}/clip.gif").status_code == 200
    assert browser.get(f"/generations/{made.id}/clip.webm").status_code == 200  # the place is given back


def test_nobody_waits_for_a_place_beyond_the_page_s_time(made: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversions, "WAIT_SECONDS", math.inf)  # which no lock waits
    assert conversions._places.acquire(blocking=False)
    try:
        with page_deadline.within(-1.0), pytest.raises(Unavailable):
            conversions.ensure(made.clip, "gif")
    finally:
        conversions._places.release()


def test_what_cannot_be_converted_is_not_tried_again_at_once(
    made: Generation, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def convert(file: IO[bytes], suffix: str) -> bytes:
        tries.append(suffix)
        raise Conflict("not_converted", "It could not be made.")

    monkeypatch.setattr(conversions, "convert", convert)
    cache.clear()
    answers = [browser.get(f"/generations/{made.id}/clip.gif").status_code for _ in range(2)]
    assert answers == [409, 409]
    assert tries == ["gif"]
    cache.clear()  # other clips of the tests have the same bytes


def test_the_sandbox_makes_a_gif_and_a_webm_of_an_mp4(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    write_video(clip, size=SIZE)
    with clip.open("rb") as file:
        gif = Image.open(io.BytesIO(conversions.convert(file, "gif")))
        assert (gif.format, gif.size) == ("GIF", SIZE)
        assert getattr(gif, "n_frames", 1) > 1
    with clip.open("rb") as file, av.open(io.BytesIO(conversions.convert(file, "webm"))) as webm:
        video = webm.streams.video[0]
        assert (video.codec_context.name, (video.width, video.height)) == ("vp9", SIZE)
        assert sum(1 for _ in webm.decode(video)) > 1


def test_a_spritesheet_and_its_track_are_content_of_a_clip(
    made: Generation, browser: Client, bob: Visitor, client_of: ClientOf, conversions_made: list[str]
) -> None:
    address = f"/v1/videos/{made.id}/content?variant=spritesheet"
    for _ in range(2):
        answer = browser.get(address)
        assert (b"".join(answer), answer["Content-Type"]) == (b"jpg", "image/jpeg")
    assert conversions_made == ["jpg"]
    told = browser.get(f"{address}_vtt")
    assert told["Content-Type"].startswith("text/vtt")
    cues = told.text.strip().split("\n\n")
    layout = Layout.of(made.clip)
    assert (cues[0], len(cues) - 1) == ("WEBVTT", layout.stills)
    assert cues[1].startswith("00:00:00.000 --> ")
    assert cues[1].endswith(f"content?variant=spritesheet#xywh=0,0,{layout.width},{layout.height}")
    for each in (address, f"{address}_vtt"):
        assert client_of(bob).get(each).status_code == 404


def test_where_nothing_is_converted_no_spritesheet_is_offered(
    made: Generation, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversions, "is_offered", lambda: False)
    refused = browser.get(f"/v1/videos/{made.id}/content?variant=spritesheet").json()
    assert (refused["code"], "spritesheet." in refused["detail"]) == ("invalid_variant", False)


@pytest.mark.parametrize(("frames", "size"), [(2, (64, 48)), (7, (640, 360)), (90, (1080, 1920))])
def test_a_track_names_each_still_of_its_sheet_once(frames: int, size: tuple[int, int]) -> None:
    clip = Clip(width=size[0], height=size[1], num_frames=frames, duration_seconds=frames / 8)
    layout = Layout.of(clip)
    assert layout.stills == min(frames, 25)
    assert max(layout.width, layout.height) <= 192
    cues = re.findall(r"(\S+) --> (\S+)\n\S*#xywh=(\d+),(\d+),", track(clip, picture="sheet.jpg"))
    assert [cue[1] for cue in cues[:-1]] == [cue[0] for cue in cues[1:]]
    places = {(int(x) // layout.width, int(y) // layout.height) for _, _, x, y in cues}
    assert len(places) == layout.stills
    assert places <= {(column, row) for column in range(layout.columns) for row in range(layout.rows)}


def test_the_sandbox_lays_a_clip_out_as_stills_in_their_order(tmp_path: Path) -> None:
    """Dark first and bright in the end, as the clip is."""
    clip = tmp_path / "clip.mp4"
    with av.open(str(clip), "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for level in range(7):
            picture = av.VideoFrame.from_image(Image.new("RGB", SIZE, (30 * level,) * 3))
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    layout = Layout(stills=7, columns=5, width=64, height=48, seconds=7 / 8)
    with clip.open("rb") as opened:
        sheet = Image.open(io.BytesIO(conversions.convert(opened, "jpg", **layout.said())))
    assert (sheet.format, sheet.size) == ("JPEG", (5 * 64, 2 * 48))
    grey: Any = sheet.convert("L")
    levels: list[int] = [grey.getpixel((64 * (n % 5) + 32, 48 * (n // 5) + 24)) for n in range(7)]
    assert levels == sorted(levels)
    assert levels[-1] > levels[0] + 100


def test_what_is_no_clip_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "clip.mp4"
    broken.write_bytes(factories.CLIP_BYTES)
    with broken.open("rb") as file, pytest.raises(Conflict, match="couldn't make a GIF"):
        conversions.convert(file, "gif")
