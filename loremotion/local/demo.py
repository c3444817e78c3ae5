"""``make demo``: one clip over HTTP from a stack that is started for it and stopped again."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from loremotion.local import preflight
from loremotion.local.failure import CannotStart
from loremotion.local.stack import Stack
from loremotion.local.visitor import Refused, Visitor

PROCESSES = ("web", "reports", "signing", "beat", "gpu")
"""Those that a clip passes through."""
SAYS = {
    "loading": "Loading the model",
    "encoding_prompt": "Reading the prompt",
    "denoising": "Denoising",
    "decoding": "Decoding",
    "encoding_video": "Encoding",
    "uploading": "Saving",
}


def demo(prompt: str, out: Path, console: Console | None = None) -> int:
    """Make one clip of ``prompt``, write it to ``out``, print the receipt. Returns the exit status.

    Raises:
        CannotStart: the stack did not come up, or ``out`` cannot be written.
    """
    console = console or Console(markup=False, emoji=False)
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise CannotStart(f"{out} is not a file that can be written: name one in a folder that is there, OUT=clip.mp4.")
    with tempfile.TemporaryDirectory(prefix="loremotion-demo-") as scratch:
        preflight.check_disk(Path(scratch))
        console.print("Starting a site of its own …")
        with Stack(Path(scratch), processes=PROCESSES) as stack, Visitor(stack.url) as visitor:
            stack.wait_for_queue("signing")  # else a clip that is ready before is delivered unsigned
            try:
                return _make(visitor, prompt, out, console)
            except Refused as reason:
                console.print(f"No clip: {reason}", style="red")
            except httpx.HTTPError as problem:
                console.print(f"No clip: the site broke ({problem}). Its last words:", style="red")
                console.print(stack.last_words("web"))
            return 1


def _make(visitor: Visitor, prompt: str, out: Path, console: Console) -> int:
    asked = visitor.create(prompt)
    quoted, held = asked["lm"]["cost"]["quoted"], asked["lm"]["cost"]["held"]
    console.print(f"Asked for {asked['seconds']} s at {asked['size']} from {asked['model']}: {quoted} credits, held.")
    _watch(visitor, asked["id"], console)
    video = visitor.video(asked["id"])
    cost = video["lm"]["cost"]
    receipt = f"Receipt: quoted {quoted}, held {held}, charged {cost['charged']}, given back {cost['given_back']}."
    if video["status"] != "completed":
        console.print(f"No clip: {video['error']['message']}", style="red")
        console.print(receipt)
        return 1
    size_bytes = visitor.download(asked["id"], out)
    console.print(f"{out} ({size_bytes / 1024:.0f} KiB)")
    console.print(receipt)
    return 0


def _watch(visitor: Visitor, video_id: str, console: Console) -> None:
    """A bar that follows the live events to the end."""
    columns = (TextColumn("{task.description:<40}", markup=False), BarColumn(), TextColumn("{task.fields[count]:>7}"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task("Queued", total=None, count="")
        said = ""
        for event, data in visitor.events(video_id):
            said = show(bar, task, event, data) or said
            if not console.is_terminal and said:  # a log gets a line for each stage instead of a moving bar
                console.print(said)
                said = ""
        bar.update(task, description="Done", total=100, completed=100, count="")


def show(bar: Progress, task: TaskID, event: str, data: dict[str, Any]) -> str:
    """Move the bar by an event of the site's; returns what it newly says, for a log."""
    if event == "queue":
        says, count = str(data.get("in_words") or data.get("reason") or "Queued"), ""
    elif event in ("stage", "step"):
        says = SAYS.get(str(data.get("stage")), str(data.get("stage", "")))
        count = f"{data['step']}/{data['steps']}" if data.get("steps") and data.get("step") else ""
    else:
        return ""
    is_new = says != bar.tasks[task].description
    bar.update(task, description=says, total=100, completed=data.get("progress", 0), count=count)
    return says if is_new else ""
