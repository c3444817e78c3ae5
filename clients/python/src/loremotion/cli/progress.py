"""A clip being made, as a terminal shows it: a bar, what it waits for, a small picture of what is there so far."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.style import Style
from rich.text import Text

from loremotion import Client, ClipFailed, Event, Video

STAGES: Final = {
    "loading": "Loading the model",
    "encoding_prompt": "Reading the prompt",
    "denoising": "Denoising",
    "decoding": "Decoding",
    "encoding_video": "Encoding",
    "uploading": "Saving",
}
PREVIEW_COLUMNS: Final = 48
LINES_BESIDE_PREVIEW: Final = 4
"""What was typed, what was said, the bar, the cursor: of what is higher than the screen, the end is not shown."""


class Display:
    """A bar that follows a clip's events. A log, which is no terminal, gets a line for each thing that is new."""

    def __init__(self, console: Console, *, shows_preview: bool = True) -> None:
        self._console = console
        self._shows_preview = shows_preview and console.is_terminal and console.color_system is not None
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[count]}"))
        self._bar = Progress(*columns, TimeElapsedColumn(), console=console)
        self._task = self._bar.add_task("Queued", total=100, count="")
        self._picture: RenderableType = Text()

    def follow(self, client: Client, video: Video) -> Video:
        """Show ``video`` until it ends. Returns it, completed.

        Raises:
            ClipFailed: it ended without a clip.
        """
        with Live(console=self._console, get_renderable=self._shown, refresh_per_second=8, transient=True) as live:
            if not self._console.is_terminal:
                live.stop()
            for event in client.events(video):
                if self.show(event) and not self._console.is_terminal:
                    self._console.print(self._bar.tasks[0].description, highlight=False, markup=False)
        ended = client.get(video)
        if not ended.is_completed:
            raise ClipFailed(ended)
        return ended

    def show(self, event: Event) -> bool:
        """Move on by ``event``. Returns whether it says something that was not said yet."""
        task = self._bar.tasks[0]
        says, count = task.description, str(task.fields["count"])
        if event.kind == "queue":
            says = str(event.data.get("in_words") or event.data.get("reason") or "Queued")
        elif event.kind in ("stage", "step"):
            says = STAGES.get(str(event.data.get("stage")), says)
            step, steps = event.data.get("step"), event.data.get("steps")
            count = f"{step}/{steps}" if step and steps else ""
        is_new = says != task.description
        completed = max(task.completed, event.data.get("progress", 0)) if event.kind != "queue" else task.completed
        self._bar.update(self._task, description=says, completed=completed, count=count)
        if self._shows_preview and (picture := event.preview) is not None:
            columns, lines = min(PREVIEW_COLUMNS, self._console.width), self._console.height - LINES_BESIDE_PREVIEW
            self._picture = in_half_blocks(picture, columns, lines)
        return is_new

    def _shown(self) -> RenderableType:
        return Group(self._picture, self._bar)


def in_half_blocks(jpeg: bytes, columns: int = PREVIEW_COLUMNS, lines: int = PREVIEW_COLUMNS) -> Text:
    """The picture in characters, two pixels in each, as large as fits; empty where it can't be read."""
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            scale = min(columns / image.width, 2 * max(lines, 1) / image.height)
            columns, rows = max(1, round(image.width * scale)), 2 * max(1, round(image.height * scale / 2))
            small = image.convert("RGB").resize((columns, rows))
    except (OSError, ValueError, Image.DecompressionBombError):
        return Text()
    pixels = small.tobytes()
    shown = Text()
    for y in range(0, rows, 2):
        if y:
            shown.append("\n")
        for x in range(columns):
            above, below = (pixels[3 * at : 3 * at + 3] for at in (y * columns + x, (y + 1) * columns + x))
            shown.append("▀", Style.parse(f"{_hex(above)} on {_hex(below)}"))
    return shown


def _hex(pixel: bytes) -> str:
    return f"#{pixel.hex()}"
