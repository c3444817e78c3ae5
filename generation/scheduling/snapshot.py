"""What a forecast starts from: machines, window, queue and expected arrivals, all at one moment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from generation.scheduling.capacity import JOBS_PER_WORKER
from generation.scheduling.service_times import AS_BELIEVED, NOTHING, Spread
from generation.tiers import FREE_BEGINS
from gpu_worker.job_choice import Bounds
from gpu_worker.step_aside import NEVER, AsideBounds


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip that waits."""

    id: str
    build: str
    tag: float
    """In the fair queue: the lowest goes first, and tells the tier."""
    service: Spread
    """Its seconds on a card, loading aside."""
    needs_bytes: int = 0
    waited_seconds: float = 0.0
    """In RQ's line; 0 outside of it."""
    skips: int = 0
    """How often it was overtaken there."""
    times_aside: int = 0
    passes: int = 0
    """How many that are paid for went before it while it was the first free one in line."""
    is_probe: bool = False
    """Nobody's: it finds when a later clip would start. It overtakes nobody, and nothing is loaded for it."""
    delivery: Spread = NOTHING
    """What it takes after its time on the card until it is ready, while the card makes the next one."""
    asked_at: float = 0.0
    """When it was asked for, in seconds since some moment: of equal tags the earlier one goes first."""


@dataclass(frozen=True, slots=True)
class InHand:
    """The clip that a machine makes, or that has stepped aside there."""

    id: str
    remaining: Spread
    """On that card."""
    build: str = ""
    is_free: bool = False
    times_aside: int = 0
    passes_for_seconds: float = 0.0
    """So long others go before it, while it is aside."""
    delivery: Spread = NOTHING


@dataclass(frozen=True, slots=True)
class Machine:
    """A GPU worker that takes clips, or will."""

    name: str
    budget_bytes: int
    residents: tuple[str, ...] = ()
    """Keys of the components on its card, the least recently used first."""
    in_hand: InHand | None = None
    slowness: Spread = AS_BELIEVED
    """Seconds here for a second of what ``Clip.service`` says."""
    away: Spread | None = None
    """When it is expected back; None: it is here."""
    aside: AsideBounds = NEVER
    """For how much what it makes steps aside."""
    held: InHand | None = None
    """What has stepped aside here and goes on after that."""


@dataclass(frozen=True, slots=True)
class Outages:
    """How often a machine is lost without a word, and for how long. What it makes then is made by another one."""

    per_second: float = 0.0
    """Of one machine."""
    lasts: Spread = field(default_factory=lambda: Spread(0.0, 0.0))


@dataclass(frozen=True, slots=True)
class Component:
    """Weights that builds share: what they take on a card, and how long it takes to get them there."""

    size_bytes: int
    load_seconds: float


@dataclass(frozen=True, slots=True)
class Kind:
    """A recent clip, which stands for those that will arrive."""

    build: str
    above_clock: float
    """Its tag, less the clock when it came."""
    service: Spread
    needs_bytes: int = 0
    is_free: bool = False
    """Whether the clock is that of free clips."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Who will come: a Poisson stream of batches, each as large as one of ``batches`` and of such kinds, one as likely
    as the next. ``doubt`` is of the rate's logarithm."""

    per_second: float = 0.0
    """Clips, at present."""
    doubt: float = 0.3
    kinds: tuple[Kind, ...] = ()
    batches: tuple[int, ...] = (1,)
    hour_ends_in: float = 3600.0
    """Seconds."""
    by_hour: tuple[float, ...] = ()
    """The rate in this hour, the next and so on, as multiples of the present one: a day of them, or none where every
    hour is like this."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the queue that is too far away to be played clip by clip."""

    last_tag: float
    clips: int
    seconds: float
    """On a card, all together, loading aside."""
    last_asked_at: float = math.inf
    """When its last clip was asked for: the next stretch may begin with others of the same tag."""
    middle_tag: float | None = None
    """Half of its clips have no higher one; None: nobody has looked."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole site at one moment. Clips that no machine that is on can hold are left out."""

    machines: tuple[Machine, ...]
    """Those that take clips, and those that are expected back."""
    leaving: tuple[InHand, ...] = ()
    """Clips in hand that no other waits for: of machines that take no more, and such as have left their card."""
    window: tuple[Clip, ...] = ()
    """RQ's line, the first in line first."""
    queue: tuple[Clip, ...] = ()
    """The next of the fair queue, by tag."""
    deep: tuple[Stretch, ...] = ()
    """What comes after ``queue``, by tag."""
    is_whole: bool = True
    """Whether nothing comes after both: else nobody can say when a later clip starts."""
    clock: float = 0.0
    free_clock: float = FREE_BEGINS
    arrivals: Arrivals = Arrivals()
    outages: Outages = Outages()
    components: Mapping[str, Component] = field(default_factory=dict)
    builds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Keys of the components that a build needs."""
    bounds: Bounds = field(default_factory=Bounds)
    jobs_per_worker: int = JOBS_PER_WORKER
