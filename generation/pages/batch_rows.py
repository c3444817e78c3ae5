"""Many clips as text: one prompt a line, or CSV with columns of their own names."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _

from catalog.requests import MAX_SEED, Ask
from generation.submission.batch import MOST_CLIPS
from generation.submission.wanted import takes_of
from loremotion.refusals import Invalid

COLUMNS: Final = ("prompt", "negative_prompt", "model", "size", "seconds", "preset", "seed")
MOST_BYTES: Final = 256 * 1024
_NUMBERS: Final = {"seconds": float, "seed": int}


def read(text: str) -> list[Ask]:
    """What a text asks for. One whose first line names the column ``prompt`` is CSV; else each line is a prompt.

    Raises:
        Invalid: it is too long, or has a column or a value that means nothing; says in which line.
    """
    text = text.lstrip("\ufeff").replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")
    _refuse_beyond(text)
    names = [cell.strip().lower() for cell in next(iter(_cells(text.partition("\n")[0])), [])]
    if "prompt" not in names:
        asks = [Ask(prompt=line.strip()) for line in text.splitlines() if line.strip()]
    else:
        asks = _read_csv(text, names)
    if not 0 < len(asks) <= MOST_CLIPS:
        raise _wrong_number(len(asks))
    return asks


def spread(asks: Iterable[Ask], *, models: Sequence[str], times: int) -> list[Ask]:
    """Each of the clips with each of the models, where it names none, and so many seeds.

    Raises:
        Invalid: these are too many.
    """
    made = [
        take
        for ask in asks
        for model in (models if models and ask.model == DEFAULT_MODEL else [ask.model])
        for take in takes_of(replace(ask, model=model), times)
    ]
    if len(made) > MOST_CLIPS:
        raise _wrong_number(len(made))
    return made


def write(asks: Iterable[Ask]) -> str:
    """The clips as CSV that ``read`` reads.

    Raises:
        Invalid: it would not, since this is too long.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows([getattr(ask, name) if getattr(ask, name) is not None else "" for name in COLUMNS] for ask in asks)
    _refuse_beyond(text.getvalue())
    return text.getvalue()


DEFAULT_MODEL: Final = Ask(prompt="").model


def _read_csv(text: str, names: list[str]) -> list[Ask]:
    if unknown := sorted({name for name in names if name not in COLUMNS}):
        raise Invalid(
            "unknown_column",
            _("We don't know the column %(unknown)s.") % {"unknown": repr(unknown[0][:60])},
            next_step=_("Use some of: %(columns)s.") % {"columns": ", ".join(COLUMNS)},
        )
    asks = []
    for number, cells in enumerate(_cells(text)[1:], 2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(names):
            raise Invalid(
                "invalid_csv",
                _("Line %(number)s has %(cells)s values and %(names)s columns.")
                % {"number": number, "cells": len(cells), "names": len(names)},
                next_step=_("Put quotes around a prompt that has a comma in it."),
            )
        said = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if cell.strip()}
        asks.append(Ask(**{"prompt": "", **{name: _value(name, cell, number) for name, cell in said.items()}}))
    return asks


def _cells(text: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text)))
    except csv.Error as error:
        raise Invalid(
            "invalid_csv",
            _("We can't read this CSV: %(error)s.") % {"error": error},
            next_step=_("Save it again as CSV."),
        ) from None


def _value(name: str, cell: str, line: int) -> Any:
    if name not in _NUMBERS:
        return cell
    try:
        value = _NUMBERS[name](cell)
    except ValueError:
        value = -1
    if not 0 <= value <= MAX_SEED:  # also what is no number
        raise Invalid(
            f"invalid_{name}",
            _("Line %(line)s: %(cell)s is no %(name)s.") % {"line": line, "cell": repr(cell[:40]), "name": name},
            next_step=_("Use a number."),
        )
    return value


def _refuse_beyond(text: str) -> None:
    if len(text.encode(errors="replace")) > MOST_BYTES:
        raise Invalid(
            "too_long",
            _("This is more than %(most)s KiB.") % {"most": MOST_BYTES // 1024},
            next_step=_("Send less at once."),
        )


def _wrong_number(count: int) -> Invalid:
    if not count:
        return Invalid("no_prompts", _("No prompts found."), next_step=_("Write one a line, or paste CSV."))
    return Invalid(
        "too_many_clips",
        _("That makes %(count)s clips, and %(most)s can be made at once.")
        % {"count": intcomma(count), "most": MOST_CLIPS},
        next_step=_("Take fewer prompts, models or seeds."),
    )
