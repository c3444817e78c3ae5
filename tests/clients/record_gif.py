"""Records clients/python/README.gif, a run of the client's command against a whole site: ``make client-gif``.

The command's own output in a terminal of its own, with times; a terminal emulator says what stood on the screen when,
and that is drawn. Nothing is shown that did not happen: only waits are shorter, to ``LONGEST_WAIT_SECONDS`` each.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import textwrap
import time
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import pyte
from PIL import Image, ImageDraw, ImageFont

from loremotion.local.environment import ROOT
from loremotion.local.preparation import STAFF_EMAIL
from loremotion.local.stack import Stack

CLIENT: Final = ROOT / "clients/python"
PYTHON: Final = ROOT / "tests/clients/.venv/bin/python"
FONT: Final = "DejaVuSansMono.ttf"
"""Free to use and to embed; Pillow finds it among the machine's fonts."""
TYPED: Final = ("generate", "a red circle moving up on a black background", "--steps", "8")

COLUMNS, ROWS = 80, 24
CELL_WIDTH, CELL_HEIGHT, MARGIN = 8, 16, 12
FONT_POINTS: Final = 13
BARS: Final = {"━": (0, CELL_WIDTH), "╸": (0, CELL_WIDTH // 2), "╺": (CELL_WIDTH // 2, CELL_WIDTH)}
"""From where to where in a cell."""
COLOURS: Final = 128
PER_LETTER_SECONDS: Final = 0.05
LEAST_FRAME_SECONDS: Final = 0.05
LONGEST_WAIT_SECONDS: Final = 0.5
AT_THE_END_SECONDS: Final = 4.0
PALETTE: Final = {
    "default": "#d8dee9",
    "black": "#3b4252",
    "red": "#ff6b6b",
    "green": "#7bd88f",
    "brown": "#ffd166",  # pyte's name for yellow
    "blue": "#6cb6ff",
    "magenta": "#f92672",
    "cyan": "#66d9e8",
    "white": "#eceff4",
}
BACKGROUND: Final = "#11151c"
CLOCK: Final = re.compile(r"\d:\d\d:\d\d")
MAKE_KEY: Final = f"""
    from accounts import api_keys, workspaces
    from accounts.models import User
    from accounts.roles import BY_ROLE, Role
    user = User.objects.get(email="{STAFF_EMAIL}")
    workspace = workspaces.personal_of(user)
    allowed = BY_ROLE[Role.OWNER]
    print(api_keys.issue(workspace=workspace, by=user, allowed=allowed, name="client", scopes=["generate"])[1])
"""


class Output(NamedTuple):
    """What a program wrote at once, so many seconds after the output before."""

    wait_seconds: float
    text: bytes


class Shown(NamedTuple):
    """What stood on the screen, and for how long."""

    picture: Image.Image
    seconds: float


def typed(command: str) -> Iterator[Output]:
    """Somebody who types ``command`` at a prompt."""
    yield Output(0.0, b"\x1b[32m$\x1b[0m ")
    for letter in command:
        yield Output(PER_LETTER_SECONDS, letter.encode())
    yield Output(LONGEST_WAIT_SECONDS, b"\r\n")


def run_in_terminal(command: list[str | Path], folder: Path, environment: dict[str, str]) -> Iterator[Output]:
    """What ``command`` writes to a terminal of ``COLUMNS`` by ``ROWS``.

    Raises:
        CalledProcessError: it failed; ``output`` is the last that it wrote.
    """
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=its, stdout=its, stderr=its)
    os.close(its)
    before, last = time.monotonic(), b""
    while text := _read(ours):
        now = time.monotonic()
        yield Output(now - before, text)
        before, last = now, text
    os.close(ours)
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, command, last)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # how Linux says that nobody writes to it any more
        return b""


def replayed(outputs: Iterable[Output]) -> Iterator[Shown]:
    """Each screen that stood for long enough to be seen. One on which the clock alone moves on is a wait."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    kept, stood, before = drawn(screen), 0.0, _without_clock(screen)
    for output in outputs:
        if output.wait_seconds >= LEAST_FRAME_SECONDS and (now := _without_clock(screen)) != before:
            if stood:
                yield Shown(kept, min(stood, LONGEST_WAIT_SECONDS))
            kept, stood, before = drawn(screen), 0.0, now
        stood += output.wait_seconds
        stream.feed(output.text)
    if stood:
        yield Shown(kept, min(stood, LONGEST_WAIT_SECONDS))
    yield Shown(drawn(screen), AT_THE_END_SECONDS)


def _without_clock(screen: pyte.Screen) -> str:
    """What stands on the screen, with its colours."""
    cells = (screen.buffer[row][column] for row in range(ROWS) for column in range(COLUMNS))
    return CLOCK.sub("", "".join(screen.display)) + str([(cell.fg, cell.bg) for cell in cells])


def drawn(screen: pyte.Screen) -> Image.Image:
    """The screen as a picture."""
    picture = Image.new("RGB", (COLUMNS * CELL_WIDTH + 2 * MARGIN, ROWS * CELL_HEIGHT + 2 * MARGIN), BACKGROUND)
    draw, letters = ImageDraw.Draw(picture), font()
    for row, column in ((row, column) for row in range(ROWS) for column in range(COLUMNS)):
        cell = screen.buffer[row][column]
        x, y = MARGIN + column * CELL_WIDTH, MARGIN + row * CELL_HEIGHT
        right, below = x + CELL_WIDTH - 1, y + CELL_HEIGHT - 1
        if cell.bg != "default":
            draw.rectangle((x, y, right, below), _colour(cell.bg))
        if cell.data == "▀":  # a font's leaves a gap to its neighbours
            draw.rectangle((x, y, right, y + CELL_HEIGHT // 2 - 1), _colour(cell.fg))
        elif cell.data in BARS:
            begins, ends = BARS[cell.data]
            line = (x + begins, y + CELL_HEIGHT // 2 - 1, x + ends - 1, y + CELL_HEIGHT // 2)
            draw.rectangle(line, _colour(cell.fg))
        elif cell.data.strip():
            draw.text((x, y), cell.data, _colour(cell.fg), letters)
    return picture


@cache
def font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """What letters are drawn in."""
    try:
        return ImageFont.truetype(FONT, FONT_POINTS)
    except OSError:
        raise SystemExit(f"{FONT} is not here: 'sudo apt-get install fonts-dejavu-core' brings it.") from None


def _colour(name: str) -> str:
    """A colour of the palette, or the six digits of one that the program chose itself."""
    return PALETTE.get(name.removeprefix("bright")) or f"#{name}"


def write_gif(shown: list[Shown], path: Path) -> None:
    """Write the screens one after the other, over and over."""
    # By coverage: a few letters keep their colour beside a large picture.
    by, dither = Image.Quantize.MAXCOVERAGE, Image.Dither.NONE
    first, *others = [each.picture.quantize(COLOURS, by, dither=dither) for each in shown]
    lasting = [round(each.seconds * 1000) for each in shown]
    first.save(path, save_all=True, append_images=others, duration=lasting, loop=0, optimize=True)


def key_of(stack: Stack) -> str:
    """A key of the workspace of the site's staff."""
    making: list[str | Path] = [sys.executable, ROOT / "manage.py", "shell", "--no-imports", "-c"]
    made = subprocess.check_output([*making, textwrap.dedent(MAKE_KEY)], env=stack.environment, text=True)
    return made.strip()


def record(folder: Path) -> list[Output]:
    """The whole run, from the prompt of a shell to the next, against a site in ``folder``."""
    with Stack(folder / "site") as stack:
        stack.wait_for_worker()
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        environment = {
            **inherited,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(CLIENT / "src"),
            "XDG_CONFIG_HOME": str(folder),
            "LOREMOTION_BASE_URL": stack.url,
            "LOREMOTION_API_KEY": key_of(stack),
        }
        outputs = list(run_in_terminal([PYTHON, "-m", "loremotion", *TYPED], folder, environment))
    says = " ".join(f'"{word}"' if " " in word else word for word in ("loremotion", *TYPED))
    return [*typed(says), *outputs, *list(typed(""))[:1]]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="loremotion-gif-") as folder:
        try:
            outputs = record(Path(folder))
        except subprocess.CalledProcessError as failure:
            raise SystemExit(f"{failure} {failure.output.decode(errors='replace')}") from None
    path = CLIENT / "README.gif"
    write_gif(list(replayed(outputs)), path)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:,.0f} kB")  # noqa: T201 - a command's answer


if __name__ == "__main__":
    main()
