"""The recording in the client's README: what is shown, and for how long."""

from __future__ import annotations

import pytest
from PIL import Image, ImageFont

from tests.clients import record_gif
from tests.clients.record_gif import MARGIN, Output, replayed


@pytest.fixture(autouse=True)
def any_font(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that runs tests need not have the one of the recording."""
    monkeypatch.setattr(record_gif, "font", ImageFont.load_default)


def test_a_wait_is_shortened_and_a_clock_that_moves_on_is_one() -> None:
    outputs = [
        Output(0.0, b"Queued 0:00:00"),
        *(Output(0.2, b"\rQueued 0:00:0%d" % second) for second in range(1, 9)),
        Output(0.2, b"\rSaved          "),
        Output(0.3, b"\r\n"),
    ]
    queued, saved, end = replayed(outputs)
    assert queued.seconds == record_gif.LONGEST_WAIT_SECONDS
    assert saved.seconds == 0.3
    assert saved.picture.tobytes() == end.picture.tobytes() != queued.picture.tobytes()
    assert end.seconds == record_gif.AT_THE_END_SECONDS


def test_a_screen_that_is_half_written_is_not_shown() -> None:
    outputs = [Output(0.0, b"one"), Output(0.2, b"\x1b[2K\r"), Output(0.001, b"two"), Output(0.2, b"")]
    assert len(list(replayed(outputs))) == 3, "one, two, and two at the end"


def test_colours_are_those_that_the_program_chose() -> None:
    (shown,) = replayed([Output(0.0, "\x1b[38;2;255;0;0;48;2;0;0;255m▀".encode())])
    at = [shown.picture.getpixel((MARGIN, MARGIN + y)) for y in (0, record_gif.CELL_HEIGHT - 1)]
    assert at == [(255, 0, 0), (0, 0, 255)]


def test_the_readme_shows_a_recording_that_loads_quickly() -> None:
    path = record_gif.CLIENT / "README.gif"
    assert f"]({path.name})" in (record_gif.CLIENT / "README.md").read_text()
    assert path.stat().st_size < 400_000
    with Image.open(path) as gif:
        assert (gif.format, gif.info["loop"]) == ("GIF", 0)
        assert getattr(gif, "n_frames", 1) > 20
