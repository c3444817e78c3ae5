"""A day of a site with many GPUs, by SimPy: who comes, the fair queue, RQ's window, what each worker takes and loads.

The rules are the site's own: ``fair_queue.next_finish`` gives tags, ``Window`` says what may enter RQ, ``tiers`` who
passes whom, ``job_choice.choose`` what a worker takes. Models, popularity and weights are those of
``forecast_world``. Queues are kept by what clips need, so that an event costs the same however many wait.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from random import Random

import simpy

from benchmarks.forecast_world import (
    BUILDS,
    BYTES_PER_SECOND,
    FREE,
    GIB,
    PAID,
    PAID_SHARE,
    TIER_WEIGHT,
    ZIPF,
    Gpu,
    Order,
    job_of,
)
from generation.scheduling.fair_queue import next_finish
from generation.scheduling.window import Window
from generation.tiers import FREE_BEGINS, pass_first, yields
from gpu_worker.job_choice import LOOKS, Bounds, Waiting, choose

DAY_SECONDS = 86_400.0
CARDS_GIB = (20, 40, 40, 60)
"""Bought in turns. The smallest holds half of the models; a site with one card has one of the second kind."""
WEIGHTS = tuple(1 / (rank + 1) ** ZIPF for rank in range(len(BUILDS)))
MEAN_SECONDS = sum(w * build.mean_seconds for w, build in zip(WEIGHTS, BUILDS, strict=True)) / sum(WEIGHTS)
"""Of a clip, without loading."""
SWING = 0.5
"""The afternoon's rate is so much above the day's mean, that of the night as much below."""
LEAST_WORKSPACES, WORKSPACES_PER_GPU = 20, 10
BOUNDS = Bounds()


def rate_of_day(mean: float, seconds: float) -> float:
    """Clips a second at a time of the day: least at four in the morning, most at four in the afternoon."""
    return mean * (1 - SWING * math.cos(2 * math.pi * (seconds / DAY_SECONDS - 4 / 24)))


@dataclass(slots=True)
class Made:
    """One clip that ended: who asked, how long it waited, what its card did for it."""

    tier: str
    waited_seconds: float
    loaded_seconds: float
    rendered_seconds: float


@dataclass(slots=True)
class Card(Gpu):
    """A GPU of the fleet."""

    began: float = 0.0
    """When it was started, and paid for from then on."""
    is_leaving: bool = False
    called: simpy.Event | None = None
    """Succeeds when there may be something for it to do. None while it is busy."""


@dataclass(slots=True)
class Tally:
    """What came of a day."""

    made: list[Made] = field(default_factory=list)
    on_seconds: float = 0.0
    """Of all GPUs together, those that start and stop among them."""
    started: int = 0
    """How often a GPU was started."""

    def waits(self, tier: str) -> list[float]:
        """Seconds from request to start."""
        return [clip.waited_seconds for clip in self.made if clip.tier == tier]

    @property
    def loading_seconds(self) -> float:
        return sum(clip.loaded_seconds for clip in self.made)

    @property
    def busy_seconds(self) -> float:
        return self.loading_seconds + sum(clip.rendered_seconds for clip in self.made)


class Fleet:
    """A site of ``gpus`` cards on which ``rate_at`` clips a second are asked for, never more than ``most_rate``."""

    def __init__(self, *, seed: int, gpus: int, rate_at: Callable[[float], float], most_rate: float) -> None:
        self.env = simpy.Environment()
        self.tally = Tally()
        self.cards: list[Card] = []
        self.in_hand = 0
        self._random = Random(seed)
        self._rate_at, self._most_rate = rate_at, most_rate
        self._workspaces = max(LEAST_WORKSPACES, int(WORKSPACES_PER_GPU * most_rate * MEAN_SECONDS))
        self._clock = {False: 0.0, True: FREE_BEGINS}
        self._last: dict[tuple[str, int], float] = {}
        self._queues: dict[tuple[str, int], list[tuple[float, int, Order]]] = {}
        self._line: deque[Order] = deque()
        """RQ's list up to the first that yields."""
        self._yielding: deque[Order] = deque()
        """The rest of it."""
        self._window = Window([], [])
        first_card = 1 if gpus == 1 else 0  # one alone must hold all
        self._waiting_seconds = {FREE: 0.0, PAID: 0.0}
        self._idle: list[Card] = []
        self._numbers, self._orders = itertools.count(first_card), itertools.count()
        self.add(gpus)
        self.env.process(self._arrivals())

    def run(self, seconds: float) -> Tally:
        """Let so much time pass."""
        self.env.run(until=self.env.now + seconds)
        for card in self.cards:
            self.tally.on_seconds += self.env.now - card.began
            card.began = self.env.now
        return self.tally

    # ---- for whoever scales it

    @property
    def waiting(self) -> int:
        """Clips that have not begun."""
        return len(self._line) + len(self._yielding) + sum(map(len, self._queues.values()))

    @property
    def staying(self) -> list[Card]:
        return [card for card in self.cards if not card.is_leaving]

    @property
    def ready(self) -> int:
        """GPUs that take jobs."""
        return sum(card.is_on for card in self.staying)

    def predicted_start_seconds(self, tier: str) -> float | None:
        """When the last of a tier starts, were all cards alike: what is before it, shared among them. None while no
        card is on."""
        before = self._waiting_seconds[PAID] + (self._waiting_seconds[FREE] if tier == FREE else 0.0)
        return before / self.ready if self.ready else None

    def add(self, gpus: int, *, after_seconds: float = 0.0) -> None:
        """Start GPUs, which take jobs after so long."""
        for number in itertools.islice(self._numbers, gpus):
            budget = int(CARDS_GIB[number % len(CARDS_GIB)] * GIB)
            card = Card(f"gpu-{number}", budget, is_on=not after_seconds, began=self.env.now)
            self.cards.append(card)
            self.env.process(self._work(card, after_seconds))
        self.tally.started += gpus
        self._count_places()

    def remove(self, gpus: int) -> None:
        """Drain the GPUs that came last: each finishes what it has in hand."""
        for card in self.staying[-gpus:]:
            card.is_leaving = True
            if card.called is not None:
                self._idle.remove(card)
                self._call(card)
        self._count_places()

    # ---- who comes

    def _arrivals(self) -> Generator[simpy.Event, None, None]:
        while True:
            yield self.env.timeout(self._random.expovariate(self._most_rate))
            if self._random.random() * self._most_rate < self._rate_at(self.env.now):  # thinned to the hour's rate
                self._ask()

    def _ask(self) -> None:
        build = self._random.choices(BUILDS, WEIGHTS)[0]
        tier = PAID if self._random.random() < PAID_SHARE else FREE
        workspace = (tier, self._random.randrange(self._workspaces))
        clock, last = self._clock[tier == FREE], self._last.get(workspace, 0.0)
        tag = next_finish(now=clock, last_finish=last, cost=build.credits, weight=TIER_WEIGHT[tier])
        self._last[workspace] = tag
        number = next(self._orders)
        order = Order(str(number), self.env.now, build, tier, tag, tag - clock)
        heapq.heappush(self._queues.setdefault((tier, build.needs_bytes), []), (tag, number, order))
        self._waiting_seconds[tier] += build.mean_seconds
        self._dispatch()

    # ---- from the fair queue into the window

    def _count_places(self) -> None:
        """Anew: which machines take jobs has changed."""
        budgets = [card.budget_bytes for card in self.staying if card.is_on]
        self._window = Window(budgets, [])
        for order in itertools.chain(self._line, self._yielding):
            self._count(order, is_free=yields(order.tag))

    def _count(self, order: Order, *, is_free: bool) -> None:
        for level in self._window.levels:
            level.count(order.build.needs_bytes, is_free=is_free)

    def _uncount(self, order: Order, *, is_free: bool) -> None:
        for level in self._window.levels:
            level.count(order.build.needs_bytes, is_free=is_free, by=-1)

    def _dispatch(self) -> None:
        heads = {key: queue for key, queue in self._queues.items() if queue}
        while heads:
            key = min(heads, key=lambda key: heads[key][0])
            order = heads[key][0][-1]
            if not self._window.take(order.build.needs_bytes, is_free=yields(order.tag)):
                del heads[key]  # what needs as much waits behind it
                continue
            heapq.heappop(heads[key])
            self._join_line(order)
            if not heads[key]:
                del heads[key]
        self._call_one()

    def _join_line(self, order: Order) -> None:
        order.entered = self.env.now
        is_free = order.says_yields = yields(order.tag)
        self._clock[is_free] = max(self._clock[is_free], order.tag)
        if is_free:
            self._yielding.append(order)
            return
        self._line.append(order)
        if (promoted := pass_first(list(itertools.islice(self._yielding, 1)))) is not None:
            self._yielding.popleft()
            self._uncount(promoted, is_free=True)
            promoted.tag = self._clock[False]
            self._count(promoted, is_free=False)
            self._line.append(promoted)

    # ---- the workers

    def _call_one(self) -> None:
        """Wake an idle GPU that can hold one of the first in line. It wakes the next when it has taken its own."""
        if not self._idle:
            return
        least = min((order.build.needs_bytes for order in self._first()), default=None)
        if least is None:
            return
        start = self._random.randrange(len(self._idle))
        for place in itertools.chain(range(start, len(self._idle)), range(start)):
            if self._idle[place].budget_bytes >= least:
                self._idle[place], self._idle[-1] = self._idle[-1], self._idle[place]
                self._call(self._idle.pop())
                return

    def _call(self, card: Card) -> None:
        assert card.called is not None
        card.called.succeed()
        card.called = None

    def _first(self) -> list[Order]:
        """In line, as far as a worker looks that can hold none of the first."""
        return list(itertools.islice(itertools.chain(self._line, self._yielding), LOOKS * BOUNDS.window))

    def _work(self, card: Card, after_seconds: float) -> Generator[simpy.Event, None, None]:
        if after_seconds:
            yield self.env.timeout(after_seconds)
            card.is_on = True
            self._count_places()
            self._dispatch()
        while not card.is_leaving:
            order = self._take(card)
            if order is None:
                card.called = self.env.event()
                self._idle.append(card)
                yield card.called
                continue
            self._dispatch()  # its place in the window is free
            yield self.env.process(self._render(card, order))
        self.cards.remove(card)
        self.tally.on_seconds += self.env.now - card.began

    def _take(self, card: Card) -> Order | None:
        first = self._first()
        by_slug = {order.build.name: order.build for order in first}
        waiting = [
            Waiting(o.id, job_of(o.build, says_yields=o.says_yields), self.env.now - o.entered, o.skips) for o in first
        ]
        able = (n for n, order in enumerate(first) if order.build.needs_bytes <= card.budget_bytes)
        begins = next(able, 0) // BOUNDS.window * BOUNDS.window
        choice = choose(
            waiting[begins:],
            BOUNDS,
            can_hold=lambda each: each.job is None or by_slug[each.job.model.slug].needs_bytes <= card.budget_bytes,
            loading_seconds=lambda job: card.missing(by_slug[job.model.slug]) / BYTES_PER_SECOND,
            service_seconds=lambda job: by_slug[job.model.slug].mean_seconds,
        )
        if choice.taken is None:
            return None
        place = next(n for n, order in enumerate(first) if order.id == choice.taken.job_id)
        for order in first[:place]:
            order.skips += order.build.needs_bytes <= card.budget_bytes
        taken = first[place]
        if place < len(self._line):
            del self._line[place]
        else:
            del self._yielding[place - len(self._line)]
        self._uncount(taken, is_free=yields(taken.tag))
        self._waiting_seconds[taken.tier] -= taken.build.mean_seconds
        return taken

    def _render(self, card: Card, order: Order) -> Generator[simpy.Event, None, None]:
        build, waited = order.build, self.env.now - order.at
        loading = card.missing(build) / BYTES_PER_SECOND
        card.use(build)
        pace = build.step_seconds * build.steps * math.exp(self._random.gauss(0, build.noise))
        rest = (build.decode_seconds + build.fixed_seconds) * math.exp(self._random.gauss(0, build.others_noise))
        self.in_hand += 1
        yield self.env.timeout(loading + pace + rest)
        self.in_hand -= 1
        self.tally.made.append(Made(order.tier, waited, loading, pace + rest))
