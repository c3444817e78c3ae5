"""Clips that are alike become one film: nothing is encoded anew, and it says that a model made it, as they do."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from gpu_worker import inputs, media_input, sandbox
from gpu_worker.engine.video.provenance import MADE_BY_A_MODEL, Provenance, append_xmp, read_xmp
from gpu_worker.media_input import Wanted

SIZE = (64, 48)
Colour = tuple[int, int, int]
RED, GREEN, BLUE = (220, 0, 0), (0, 220, 0), (0, 0, 220)


def joined(*paths: Path) -> bytes:
    together = io.BytesIO(b"".join(path.read_bytes() for path in paths))
    folder = paths[0].parent / "together"
    folder.write_bytes(together.getvalue())
    said: dict[str, Any] = {"kind": "joining", "sizes": [path.stat().st_size for path in paths]}
    with folder.open("rb") as file, sandbox.reading(media_input.READER, file, said, wall_seconds=60) as (told, out):
        return out.read(told["bytes"])


def write(path: Path, *colours: Colour, size: tuple[int, int] = SIZE) -> Path:
    """An MP4 with a frame of each colour, eight a second, encoded as the engine does."""
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for colour in colours:
            file.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", size, colour))))
        file.mux(stream.encode(None))
    return path


def clip(path: Path, colour: Colour) -> Path:
    write(path, *[colour] * 8)
    append_xmp(path, Provenance("some-id", "LoreMotion, Toy"))
    return path


def colours(film: bytes) -> list[str]:
    """The strongest channel of each frame."""
    with av.open(io.BytesIO(film)) as given:
        means = [frame.to_ndarray(format="rgb24").mean(axis=(0, 1)) for frame in given.decode(video=0)]
    return ["rgb"[int(np.argmax(mean))] for mean in means]


def test_every_frame_of_each_is_there_in_order_with_its_time(tmp_path: Path) -> None:
    red, blue = clip(tmp_path / "red.mp4", RED), clip(tmp_path / "blue.mp4", BLUE)
    film = joined(red, blue, red)
    assert colours(film) == ["r"] * 8 + ["b"] * 8 + ["r"] * 8
    with av.open(io.BytesIO(film)) as given:
        times = [float(frame.pts * frame.time_base) for frame in given.decode(video=0)]
    assert times == pytest.approx([times[0] + number / 8 for number in range(24)])


def test_the_film_says_that_a_model_made_it(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(joined(clip(tmp_path / "a.mp4", RED), clip(tmp_path / "b.mp4", GREEN)))
    assert MADE_BY_A_MODEL in read_xmp(film)


def test_clips_of_different_sizes_are_not_joined(tmp_path: Path) -> None:
    other = write(tmp_path / "other.mp4", *[BLUE] * 8, size=(96, 64))
    with pytest.raises(sandbox.FileUnreadable, match="another width"):
        joined(clip(tmp_path / "red.mp4", RED), other)


def test_a_clip_given_as_a_picture_is_its_last_one(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", *[RED] * 7, BLUE)
    wanted = Wanted(width=SIZE[0], height=SIZE[1], fps=8, first=8)
    picture = inputs.decode("image", path, wanted, lambda: None)
    assert isinstance(picture, Image.Image)
    red, _, blue = np.asarray(picture).mean(axis=(0, 1))
    assert blue > red
