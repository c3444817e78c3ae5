"""What staff tells GPU workers, and who told them what: noted in the admin's own log."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import redis
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache

from accounts.models import User
from catalog.models import Model
from generation.models import FleetSample
from generation.scheduling import capacity
from gpu_worker import commands
from loremotion.refusals import Conflict, Invalid
from loremotion.valkey import connection

MOST_SECONDS: Final = 24 * 3600
DRAINS: Final = {
    "": "is finished first, however long it takes",
    "0": "goes to another GPU at once",
    "60": "goes to another GPU unless it is done in a minute",
    "600": "goes to another GPU unless it is done in 10 minutes",
    "3600": "goes to another GPU unless it is done in an hour",
}
"""What the page offers: seconds → what becomes of the clip in hand."""
SHOWN: Final = 10
UNHEARD_SECONDS: Final = 60
"""For so long a drain counts as asked for: a worker hears it within its heartbeat, unless it is restarted meanwhile."""
_DRAIN_ASKED: Final = "drain-asked:{}"


def drain(worker: str, *, by: User, within_seconds: float | None = None) -> str:
    """Let ``worker`` finish its clip, or hand back what takes longer than ``within_seconds``, and take no other.

    Returns what is to be expected now, for whoever asked. So do the others.

    Raises:
        Conflict: no such worker is on.
    """
    if within_seconds is not None and not (math.isfinite(within_seconds) and 0 <= within_seconds <= MOST_SECONDS):
        raise Invalid("bad_seconds", f"Give seconds from 0 to {MOST_SECONDS}.", field="within_seconds")
    _send(worker, partial(commands.drain, connection(), worker, within_seconds))
    cache.set(_DRAIN_ASKED.format(worker), True, UNHEARD_SECONDS)
    late = "" if within_seconds is None else f" What takes longer than {within_seconds:g} s goes to another GPU."
    return _note(by, worker, f"Worker {worker} takes no more clips until it is resumed.{late}")


def with_drain_asked(workers: Sequence[str]) -> set[str]:
    """Return those of ``workers`` that were told lately to take no more clips."""
    keys = {_DRAIN_ASKED.format(worker): worker for worker in workers}
    return {keys[key] for key in cache.get_many(keys)}


def resume(worker: str, *, by: User) -> str:
    """Let a drained worker take clips again."""
    _send(worker, partial(commands.resume, connection(), worker))
    cache.delete(_DRAIN_ASKED.format(worker))
    return _note(by, worker, f"Worker {worker} takes clips again.")


def preload(worker: str, *, slug: str, by: User) -> str:
    """Have ``worker`` load a model between two clips.

    Raises:
        Invalid: no enabled model is called that.
    """
    model = Model.objects.enabled().with_versions().filter(slug=slug).first()
    if model is None or model.current is None:
        raise Invalid("no_such_model", "No enabled model has this name.", field="model")
    _send(worker, partial(commands.preload, connection(), worker, model.current.spec()))
    return _note(by, worker, f"Worker {worker} loads {model.name} after the clip in hand.")


def evict(worker: str, *, key: str, by: User) -> str:
    """Have ``worker`` free the memory of one component between two clips.

    Raises:
        Invalid: it holds no such component.
    """
    residents = [each for status in capacity.statuses() if status.name == worker for each in status.residents]
    name = next((each.name for each in residents if each.key == key), None)
    if name is None:
        raise Invalid("no_such_component", f"{worker} does not hold this component any more.", field="key")
    _send(worker, partial(commands.evict, connection(), worker, key))
    return _note(by, worker, f"Worker {worker} frees the memory of {name} after the clip in hand.")


def stop(worker: str, *, by: User) -> str:
    """End ``worker`` and its supervisor after the clip in hand. It has to be started on its host again."""
    _send(worker, partial(commands.stop, connection(), worker))
    return _note(by, worker, f"Worker {worker} ends after the clip in hand. Start it on its host again.")


def latest() -> list[LogEntry]:
    """Return the newest commands with who gave them."""
    kept = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(FleetSample))
    return list(kept.select_related("user").order_by("-action_time")[:SHOWN])


def _send(worker: str, command: Callable[[], None]) -> None:
    if all(status.name != worker for status in capacity.statuses()):
        raise Conflict("no_such_worker", "No worker of this name is on.", next_step="Look at the page again.")
    try:
        command()
    except commands.NoSuchWorker as gone:  # between two looks
        raise Conflict("no_such_worker", str(gone), next_step="Look at the page again.") from None
    except redis.RedisError:
        raise Conflict("valkey_away", "Valkey did not take the command.", next_step="Try again.") from None


def _note(by: User, worker: str, said: str) -> str:
    LogEntry.objects.create(
        user=by,
        content_type=ContentType.objects.get_for_model(FleetSample),
        object_id=worker,
        object_repr=worker[:200],
        action_flag=CHANGE,
        change_message=said,
    )
    return said
