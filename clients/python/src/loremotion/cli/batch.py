"""Many clips from a CSV file: a row each, paid once each, however often the command is run."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

from loremotion import AsyncClient, Client, ClipFailed, ClipOptions, LoreMotionError, RateLimited, Video

Result: TypeAlias = dict[str, str]
"""A line of ``results.csv``."""

NUMBERS: Final = {"seconds": float, "steps": int, "seed": int}
WORDS: Final = ("model", "mode", "negative_prompt", "size", "preset")
BUSY_PAUSE_SECONDS: Final = 5.0
"""Between two tries where the workspace may have no more clips open."""
LONGEST_BUSY_SECONDS: Final = 900.0
"""A limit that lasts longer, such as a day's, is the row's error."""
SLUG_BYTES: Final = 60
"""File systems take names of 255."""
RESULTS: Final = ("line", "file", "video", "credits", "error")
"""Columns of ``results.csv``."""


class BadRow(LoreMotionError):
    """A row of the file that can't be read."""


@dataclass(frozen=True, slots=True)
class Row:
    """One clip that is asked for."""

    number: int
    """Line of the file, which begins with its header."""
    prompt: str
    options: ClipOptions
    copy: int = 0
    """How many equal rows come before it."""

    @property
    def key(self) -> str:
        """The same for the same row wherever it stands, so that a second run finds the clip of the first instead of
        paying for another."""
        return f"batch-{self._digest[:40]}"

    @property
    def file_name(self) -> str:
        """Follows from what is asked for, as ``key`` does: lines that are put in or taken out change no other's."""
        return f"{slug(self.prompt)}-{self._digest[:12]}.mp4"

    def file_in(self, folder: Path) -> Path:
        return folder / self.file_name

    @property
    def _digest(self) -> str:
        said = json.dumps([self.prompt, self.options, self.copy], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(said.encode()).hexdigest()


def slug(prompt: str) -> str:
    """The first words of a prompt as part of a file's name."""
    words = "-".join(re.findall(r"\w+", prompt.lower())[:6])
    return words.encode()[:SLUG_BYTES].decode(errors="ignore") or "clip"


def read(path: Path) -> list[Row]:
    """The rows of a CSV file with a header: ``prompt``, and any of the options by name.

    Raises:
        BadRow: a column that is no option, an empty prompt, something that is no number.
    """
    with table(path) as reader:
        known = {"prompt", *WORDS, *NUMBERS}
        if unknown := sorted(set(reader.fieldnames or ()) - known):
            raise BadRow(
                f"{path.name} has columns that are no options: {', '.join(unknown)}. Use {', '.join(sorted(known))}."
            )
        if "prompt" not in (reader.fieldnames or ()):
            raise BadRow(f"{path.name} has no column 'prompt': the first line names the columns.")
        return list(_rows(reader))


@contextmanager
def table(path: Path) -> Iterator[csv.DictReader[str]]:
    """Open a CSV file that has a header.

    Raises:
        BadRow: it is no such file.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield csv.DictReader(file)
    except (UnicodeDecodeError, csv.Error) as problem:
        raise BadRow(f"{path.name} can't be read as CSV in UTF-8: {problem}.") from None


def _rows(reader: csv.DictReader[str]) -> Iterator[Row]:
    seen: Counter[str] = Counter()
    for said in reader:
        number = reader.line_num
        if None in said or not (said["prompt"] or "").strip():
            raise BadRow(f"Line {number} has no prompt, or more cells than the header.")
        options: dict[str, Any] = {name: said[name] for name in WORDS if said.get(name)}
        for name, kind in NUMBERS.items():
            if said.get(name):
                try:
                    options[name] = kind(said[name] or "")
                    if not math.isfinite(options[name]):
                        raise ValueError
                except (ValueError, OverflowError):
                    raise BadRow(f"Line {number}: {name} is {said[name]!r}, which is no number.") from None
        row = Row(number=number, prompt=said["prompt"] or "", options=cast(ClipOptions, options))
        yield replace(row, copy=seen[row.key])
        seen[row.key] += 1


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
) -> None:
    """Make every row's clip into ``folder``, ``at_once`` of them at a time; those that are there are left alone."""
    slots = asyncio.Semaphore(at_once)

    async def make(row: Row) -> None:
        async with slots:
            outcome = await _make(client, row, folder)
        tell(outcome)

    await asyncio.gather(*(make(row) for row in rows if not row.file_in(folder).is_file()))


async def _make(client: AsyncClient, row: Row, folder: Path) -> Outcome:
    video: Video | None = None
    error = ""
    try:
        while True:
            try:
                video = await client.create(row.prompt, idempotency_key=row.key, **row.options)
                break
            except RateLimited as busy:  # as many as may be open are: one of them ends
                if busy.retry_after_seconds > LONGEST_BUSY_SECONDS:
                    raise
                await asyncio.sleep(busy.retry_after_seconds or BUSY_PAUSE_SECONDS)
        video = await client.wait(video)
        await client.download(video, row.file_in(folder))
    except ClipFailed as failed:
        video, error = failed.video, str(failed)
    except (LoreMotionError, OSError) as problem:
        error = str(problem) or repr(problem)
    spent = 0 if video is None else video.cost.charged
    return Outcome(row=row, video_id="" if video is None else video.id, credits=spent, error=error)


def read_results(path: Path) -> dict[str, Result]:
    """What earlier runs wrote of each file, by its name; nothing where there was none.

    Raises:
        BadRow: it is a table of something else, which a batch would overwrite.
    """
    if not path.exists():
        return {}
    with table(path) as reader:
        if not set(RESULTS) <= set(reader.fieldnames or ()):
            raise BadRow(f"{path} is no table of results, and would be overwritten. Move it, or choose another folder.")
        return {said["file"] or "": {name: said[name] or "" for name in RESULTS} for said in reader}


def write_results(path: Path, earlier: Mapping[str, Result], rows: list[Row], outcomes: list[Outcome]) -> None:
    """Write a line for each clip that was made or failed, in this run or an earlier one, with the line on which it is
    asked for now; none where it no longer is."""
    results = {name: {**said, "line": ""} for name, said in earlier.items()}
    for each in outcomes:
        said = {"file": each.row.file_name, "video": each.video_id, "credits": str(each.credits), "error": each.error}
        results[each.row.file_name] = said
    for row in rows:
        if row.file_name in results:
            results[row.file_name]["line"] = str(row.number)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, RESULTS)
            writer.writeheader()
            writer.writerows(sorted(results.values(), key=lambda said: int(said["line"] or 0)))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
