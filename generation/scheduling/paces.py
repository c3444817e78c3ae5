"""The pace of each machine, learned from clips that were in flight at one look and had ended by the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Self
from uuid import UUID

from generation.models import Generation, State
from generation.scheduling.pace import Pace
from generation.scheduling.service_times import ServiceTimes, Spread, Work
from gpu_worker.contract import OFF_THE_CARD, Stage

_MOST: Final = 128
"""Machines of which the pace is known. Whoever runs a GPU host can call its workers anything."""
_NOT_SERVICE: Final = OFF_THE_CARD | {Stage.LOADING.value}


@dataclass(slots=True)
class Paces:
    """Paces by the worker's name, that which was seen longest ago first."""

    _paces: dict[str, Pace] = field(default_factory=dict)
    _in_flight: frozenset[UUID] = frozenset()

    def ended(self, clips: Iterable[Generation]) -> Sequence[Generation]:
        """Return those that were made since the last look, in the order in which they ended, and remember what is in
        flight now. What has come and ended in between is seen by nobody. A query, where anything is gone."""
        now = frozenset(clip.id for clip in clips if clip.state in (State.DISPATCHED, State.RUNNING))
        gone, self._in_flight = self._in_flight - now, now
        if not gone:
            return ()
        made = Generation.objects.filter(id__in=gone, state=State.SUCCEEDED, resumed_from_step=0)
        return list(made.select_related("version").order_by("finished_at", "id"))

    def see(self, made: Iterable[tuple[Generation, Work]], times: ServiceTimes) -> None:
        """Take in what these clips took against what is believed of their work."""
        for clip, work in made:
            took = sum(seconds for stage, seconds in clip.stage_seconds.items() if stage not in _NOT_SERVICE)
            if clip.worker and clip.finished_at is not None:
                pace = self._paces[clip.worker] = self._paces.pop(clip.worker, Pace())
                pace.see(took, times.service(work).median_seconds, clip.finished_at.timestamp())
        for name in list(islice(self._paces, max(0, len(self._paces) - _MOST))):
            del self._paces[name]

    def of(self, name: str, now: float, took_seconds: float = 0.0, believed_seconds: float = 0.0) -> Spread:
        """Return the seconds on this machine for each that is believed; see ``Pace.slowness``."""
        pace = self._paces.get(name, Pace())
        return pace.slowness(now, took_seconds=took_seconds, believed_seconds=believed_seconds)

    def to_json(self) -> dict[str, Any]:
        return {name: pace.to_json() for name, pace in self._paces.items()}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """
        Raises:
            TypeError, ValueError, AttributeError: it is none of ``to_json``'s.
        """
        return cls({str(name): Pace.from_json(each) for name, each in said.items()})
