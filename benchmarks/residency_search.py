"""The least loading that was found when the whole future is seen and the pop's own bounds are kept.

No bound: it is a beam search, and the best order of all loads less. What it found can be had, though: each order serves
jobs out of the same line, overtakes nobody more than ``max_skips`` times, and leases stage by stage.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

WIDTH = 100
"""Orders that are followed at once. Ten times as many take a hundred times as long and found 10 % less in one trace."""


class Waiting(NamedTuple):
    number: int
    skips: int


@dataclass(frozen=True, slots=True)
class State:
    """After some jobs of a trace, in one of the orders."""

    load_seconds: float
    now: float
    line: tuple[Waiting, ...]
    arrived: int
    residents: frozenset[str]


class Search:
    """Over the orders of one trace: ``models`` and ``arrivals`` (seconds) of its jobs, and what each model leases."""

    def __init__(
        self,
        models: Sequence[str],
        arrivals: Sequence[float],
        stages: Mapping[str, Sequence[frozenset[str]]],
        *,
        sizes: Mapping[str, int],
        service_seconds: Mapping[str, float],
        bytes_per_second: float,
        budget_bytes: int,
        line: int,
        max_skips: int,
    ) -> None:
        self._models, self._arrivals, self._stages = models, arrivals, stages
        self._sizes, self._service_seconds, self._bytes_per_second = sizes, service_seconds, bytes_per_second
        self._budget_bytes, self._length, self._max_skips = budget_bytes, line, max_skips
        self._keys = {model: frozenset().union(*of_model) for model, of_model in stages.items()}
        self._uses: dict[str, list[int]] = {}
        for number, model in enumerate(models):
            for key in self._keys[model]:
                self._uses.setdefault(key, []).append(number)

    def least_seconds(self, width: int = WIDTH) -> float:
        """Of loading, for the whole trace."""
        states = [State(0.0, 0.0, (), 0, frozenset())]
        for _ in self._models:
            found: dict[tuple[tuple[Waiting, ...], frozenset[str]], State] = {}
            for state in states:
                for after in self._served(self._filled(state)):
                    known = found.get((after.line, after.residents))
                    if known is None or after.load_seconds < known.load_seconds:
                        found[after.line, after.residents] = after
            states = sorted(found.values(), key=lambda state: state.load_seconds)[:width]
        return states[0].load_seconds

    def _filled(self, state: State) -> State:
        now, arrived, line = state.now, state.arrived, list(state.line)
        if not line:
            now = max(now, self._arrivals[arrived])
        while len(line) < self._length and arrived < len(self._models) and self._arrivals[arrived] <= now:
            line.append(Waiting(arrived, 0))
            arrived += 1
        return State(state.load_seconds, now, tuple(line), arrived, state.residents)

    def _served(self, state: State) -> Iterator[State]:
        """After each job that may be next: the first alone of those of one model, as another would gain nothing."""
        seen = set()
        for place, waiting in enumerate(state.line):
            model = self._models[waiting.number]
            if model not in seen:
                seen.add(model)
                before = tuple(Waiting(number, skips + 1) for number, skips in state.line[:place])
                yield self._after(state, model, before + state.line[place + 1 :])
            if waiting.skips >= self._max_skips:
                return

    def _after(self, state: State, model: str, line: tuple[Waiting, ...]) -> State:
        next_use = self._next_use(model, line, state.arrived)
        residents, loaded_bytes = set(state.residents), 0
        for stage in self._stages[model]:
            missing = stage - residents
            needed_bytes = sum(self._sizes[key] for key in missing)
            free_bytes = self._budget_bytes - sum(self._sizes[key] for key in residents)
            if needed_bytes > free_bytes:
                for key in sorted(residents - stage, key=next_use, reverse=True):
                    residents.remove(key)
                    free_bytes += self._sizes[key]
                    if needed_bytes <= free_bytes:
                        break
            residents |= missing
            loaded_bytes += needed_bytes
        seconds = loaded_bytes / self._bytes_per_second
        now = state.now + seconds + self._service_seconds[model]
        return State(state.load_seconds + seconds, now, line, state.arrived, frozenset(residents))

    def _next_use(self, model: str, line: Sequence[Waiting], arrived: int) -> Callable[[str], tuple[int, str]]:
        """How many jobs away each component is used, in the order of the line and of arrival."""
        own = self._keys[model]
        waiting = [self._keys[self._models[number]] for number, _ in line]

        def distance(key: str) -> tuple[int, str]:
            if key in own:
                return 0, key
            for place, keys in enumerate(waiting):
                if key in keys:
                    return place + 1, key
            uses = self._uses[key]
            position = bisect_left(uses, arrived)
            return (len(line) + 1 + uses[position] - arrived if position < len(uses) else len(self._models) + 1), key

        return distance
