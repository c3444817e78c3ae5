"""Many clips from a CSV file: a row each, paid once each, however often the command is run."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from loremotion import AsyncClient, Client, ClipOptions, LoreMotionError, RateLimited

NUMBERS: Final = {"seconds": float, "steps": int, "seed": int}
WORDS: Final = ("model", "mode", "negative_prompt", "size", "preset")
BUSY_PAUSE_SECONDS: Final = 5.0
"""Between two tries where the workspace may have no more clips open."""
LONGEST_BUSY_SECONDS: Final = 900.0
"""A limit that lasts longer, such as a day's, is the row's error."""


class BadRow(LoreMotionError):
    """A row of the file that can't be read."""


@dataclass(frozen=True, slots=True)
class Row:
    """One clip that is asked for."""

    number: int
    """Line of the file, which begins with its header."""
    prompt: str
    options: ClipOptions

    @property
    def key(self) -> str:
        """The same for the same row, so that a second run finds the clip of the first instead of paying for another."""
        said = json.dumps([self.number, self.prompt, self.options], sort_keys=True, ensure_ascii=False)
        return f"batch-{hashlib.sha256(said.encode()).hexdigest()[:40]}"

    def file_in(self, folder: Path) -> Path:
        return folder / f"{self.number:04}.mp4"


def read(path: Path) -> list[Row]:
    """The rows of a CSV file with a header: ``prompt``, and any of the options by name.

    Raises:
        BadRow: a column that is no option, an empty prompt, something that is no number.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        known = {"prompt", *WORDS, *NUMBERS}
        if unknown := sorted(set(reader.fieldnames or ()) - known):
            raise BadRow(
                f"{path.name} has columns that are no options: {', '.join(unknown)}. Use {', '.join(sorted(known))}."
            )
        if "prompt" not in (reader.fieldnames or ()):
            raise BadRow(f"{path.name} has no column 'prompt': the first line names the columns.")
        return list(_rows(reader))


def _rows(reader: csv.DictReader[str]) -> Iterator[Row]:
    for said in reader:
        number = reader.line_num
        if None in said or not (said["prompt"] or "").strip():
            raise BadRow(f"Line {number} has no prompt, or more cells than the header.")
        options: dict[str, Any] = {name: said[name] for name in WORDS if said.get(name)}
        for name, kind in NUMBERS.items():
            if said.get(name):
                try:
                    options[name] = kind(said[name] or "")
                except ValueError:
                    raise BadRow(f"Line {number}: {name} is {said[name]!r}, which is no number.") from None
        yield Row(number=number, prompt=said["prompt"] or "", options=cast(ClipOptions, options))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row."""

    row: Row
    video_id: str
    credits: int
    error: str
    """Empty where the clip is there."""


def quote(client: Client, rows: list[Row]) -> int:
    """What the rows cost together, in credits. Those with the same options are asked for once."""
    alike: dict[str, list[Row]] = {}
    for row in rows:
        alike.setdefault(json.dumps(row.options, sort_keys=True), []).append(row)
    return sum(len(those) * client.quote(those[0].prompt, **those[0].options).credits for those in alike.values())


async def run(
    client: AsyncClient, rows: list[Row], folder: Path, *, at_once: int, tell: Callable[[Outcome], None]
) -> list[Outcome]:
    """Make every row's clip into ``folder``, ``at_once`` of them at a time; those that are there are left alone."""
    slots = asyncio.Semaphore(at_once)

    async def make(row: Row) -> Outcome:
        async with slots:
            outcome = await _make(client, row, folder)
        tell(outcome)
        return outcome

    return await asyncio.gather(*(make(row) for row in rows if not row.file_in(folder).exists()))


async def _make(client: AsyncClient, row: Row, folder: Path) -> Outcome:
    video_id = ""
    try:
        while True:
            try:
                asked = await client.create(row.prompt, idempotency_key=row.key, **row.options)
                break
            except RateLimited as busy:  # as many as may be open are: one of them ends
                if busy.retry_after_seconds > LONGEST_BUSY_SECONDS:
                    raise
                await asyncio.sleep(busy.retry_after_seconds or BUSY_PAUSE_SECONDS)
        video_id = asked.id
        made = await client.wait(asked)
        await client.download(made, row.file_in(folder))
        return Outcome(row=row, video_id=made.id, credits=made.cost.charged, error="")
    except LoreMotionError as problem:
        return Outcome(row=row, video_id=video_id, credits=0, error=str(problem))


def write_results(outcomes: list[Outcome], path: Path) -> None:
    """A CSV file with a line for each row that was made or failed in this run."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["line", "file", "video", "credits", "error"])
        for each in outcomes:
            file_name = "" if each.error else each.row.file_in(Path()).name
            writer.writerow([each.row.number, file_name, each.video_id, each.credits, each.error])
