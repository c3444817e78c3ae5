"""How clips stand, as the database says it of many at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db import close_old_connections
from django.db import connection as database
from django.utils import translation

from generation.models import OPEN_STATES, Generation, State
from generation.scheduling.wait import Wait, missed_of, waits_of
from loremotion.row_security import across_workspaces

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A clip as the database has it: its wait as JSON (empty where it was not looked up), and whether it has ended."""

    wait: str
    is_over: bool
    missed: str = ""
    """Of one that is being made: that it is later than it was said to be, and why; else empty."""
    translated: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """``wait`` and ``missed`` in the other languages of the site, by their codes."""

    def in_language(self, language: str) -> tuple[str, str]:
        """Return ``wait`` and ``missed`` for who reads in ``language``."""
        return self.translated.get(language, (self.wait, self.missed))


UNKNOWN = Snapshot("", is_over=False)


@across_workspaces("everybody's clips are looked at together; each watcher was let in to their own")
def snapshots_of(ids: Iterable[UUID], in_turn: set[UUID]) -> dict[UUID, Snapshot]:
    """Return a snapshot of each of ``ids``, with the wait of those ``in_turn``. A clip that was erased is over."""
    try:
        ids = set(ids)
        open_ones = Generation.objects.filter(id__in=ids, state__in=OPEN_STATES).select_related("version")
        open_now = {row.id: row for row in open_ones}
        waiting = [row for row in open_now.values() if row.state != State.RUNNING and row.id in in_turn]
        waits = waits_of(waiting) if waiting else {}
        made = [row.id for row in open_now.values() if row.state == State.RUNNING and row.id in in_turn]
        missed: Mapping[UUID, StrOrPromise] = missed_of(made) if made else {}
        return {
            each: _snapshot(waits.get(each), is_over=each not in open_now, missed=missed.get(each, "")) for each in ids
        }
    finally:
        if not database.in_atomic_block:  # in a transaction it is not ours to give
            close_old_connections()


def _snapshot(wait: Wait | None, *, is_over: bool, missed: StrOrPromise) -> Snapshot:
    words = _words(wait, missed)
    translated: dict[str, tuple[str, str]] = {}
    if any(words):
        for language, _name in settings.LANGUAGES:
            if language != settings.LANGUAGE_CODE:
                with translation.override(language):
                    translated[language] = _words(wait, missed)
    return Snapshot(words[0], is_over=is_over, missed=words[1], translated=translated)


def _words(wait: Wait | None, missed: StrOrPromise) -> tuple[str, str]:
    return "" if wait is None else json.dumps(wait.to_json()), str(missed)
