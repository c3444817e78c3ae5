"""Fetching and decoding what a render starts from."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from gpu_worker import addresses, inputs, media_input
from gpu_worker.inputs import Fetcher, Input, InputUnavailable, InputUnreadable
from gpu_worker.media_input import Wanted
from gpu_worker.sounds import Audio
from tests.gpu_worker.file_server import FileServer, serving
from tests.media_files import write_sound

WANTED = Wanted(width=32, height=16, fps=8, first=5)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as running:
        yield running


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.new("RGBA", (8, 6), (255, 0, 0, 128)).save(path)
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "video.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(8))
        stream.width, stream.height = 32, 16
        for shade in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((16, 32, 3), shade * 50, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def fetch(folder: Path, *, input_bytes: int = 10_000_000, **addresses_by_role: str) -> dict[str, Input]:
    with addresses.client() as client:
        return Fetcher(client, 3, input_bytes, pause=lambda seconds: None).fetch(
            addresses_by_role, folder, lambda: None, WANTED
        )


def test_pictures_become_rgb_and_videos_their_frames(tmp_path: Path, picture: Path, video: Path) -> None:
    sound = write_sound(tmp_path / "sound.wav")
    found = fetch(tmp_path, image=picture.as_uri(), video=video.as_uri(), mask=video.as_uri(), audio=sound.as_uri())

    assert isinstance(found["image"], Image.Image)
    assert (found["image"].size, found["image"].mode) == ((8, 6), "RGB")
    for role in ("video", "mask"):
        frames = found[role]
        assert isinstance(frames, list)
        assert [frame.size for frame in frames] == [(32, 16)] * 5
    assert isinstance(found["audio"], Audio)


@pytest.mark.parametrize("name", ["a.avif", "a.jpg", "a.gif"])
@pytest.mark.parametrize("role", ["image", "mask"])
def test_a_picture_that_the_site_did_not_encode_reaches_no_decoder_here(
    tmp_path: Path, name: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what somebody sent: the sandbox alone opens it."""
    path = tmp_path / name
    Image.new("RGB", (32, 32), (255, 0, 0)).save(path)
    opened: list[str] = []
    readers: dict[str, Callable[..., Any]] = {"frames": media_input.frames, "picture": media_input.picture}

    def noted(path: Path, *rest: Any, reader: str) -> Any:
        opened.append(path.name)
        return readers[reader](path, *rest)

    for reader in readers:
        monkeypatch.setattr(media_input, reader, functools.partial(noted, reader=reader))
    with contextlib.suppress(InputUnreadable):
        fetch(tmp_path, input_bytes=10_000_000, **{role: path.as_uri()})
    assert opened == [name]


def test_it_works_over_http_after_a_hiccup(tmp_path: Path, picture: Path, server: FileServer) -> None:
    server.files["/p"] = picture.read_bytes()
    server.answers = [503, 0]
    image = fetch(tmp_path, image=server.address("/p"))["image"]
    assert isinstance(image, Image.Image)
    assert server.requests == ["GET /p"] * 3


def test_a_missing_input_is_final(tmp_path: Path, server: FileServer) -> None:
    for address in (server.address("/none"), (tmp_path / "none.png").as_uri()):
        with pytest.raises(InputUnavailable, match=r"404|No such file") as failure:
            fetch(tmp_path, image=address)
        assert not failure.value.is_retryable


@pytest.mark.parametrize("is_remote", [True, False])
def test_an_input_over_the_limit_is_not_read_to_its_end(
    tmp_path: Path, picture: Path, server: FileServer, is_remote: bool
) -> None:
    server.files["/p"] = picture.read_bytes()
    address = server.address("/p") if is_remote else picture.as_uri()
    with pytest.raises(InputUnavailable, match="larger than 20 bytes"):
        fetch(tmp_path, input_bytes=20, image=address)


@pytest.mark.parametrize("role", ["image", "video", "mask"])
def test_what_cannot_be_decoded_is_named(tmp_path: Path, role: str) -> None:
    path = tmp_path / "noise"
    path.write_bytes(b"neither picture nor video" * 100)
    with pytest.raises(InputUnreadable, match=f"'{role}'"):
        inputs.decode(role, path, WANTED, lambda: None)


def test_a_truncated_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "short.png"
    Image.effect_noise((64, 64), 90).save(path)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(InputUnreadable, match="'image' is a damaged picture"):
        fetch(tmp_path, image=path.as_uri())


def test_too_many_pixels_are_refused(tmp_path: Path, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MAX_PIXELS", 47)
    with pytest.raises(InputUnreadable, match="8x6 pixels, over 47"):
        fetch(tmp_path, image=picture.as_uri())


def test_who_is_asked_at_every_piece_may_end_the_fetching(tmp_path: Path, picture: Path, server: FileServer) -> None:
    class NotWantedAnyMore(Exception):
        pass

    def refuse() -> None:
        raise NotWantedAnyMore

    server.files["/p"] = picture.read_bytes()
    with addresses.client() as client, pytest.raises(NotWantedAnyMore):
        Fetcher(client, 3, 10_000).fetch({"image": server.address("/p")}, tmp_path, refuse, WANTED)
