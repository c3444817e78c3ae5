"""The snapshot that a forecast starts from: what waits, who makes what, what cards hold, and what came lately."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from catalog.models import ModelVersion
from generation.models import FairClock, Generation, State
from generation.scheduling import arrivals, capacity, service_rates, stretches
from generation.scheduling.arrival_hours import ArrivalHours
from generation.scheduling.fair_order import key_of
from generation.scheduling.forecast import NEAR_CLIPS
from generation.scheduling.front import Counted
from generation.scheduling.in_hand import heard_of, remaining, seconds_per_step
from generation.scheduling.outages import Watch
from generation.scheduling.paces import Paces
from generation.scheduling.queue_depth import Depth
from generation.scheduling.service_times import ServiceTimes, Spread, Work
from generation.scheduling.snapshot import Clip, Component, InHand, Kind, Machine, Snapshot, Stretch
from generation.tiers import yields
from gpu_worker.contract import Progress, Stage
from gpu_worker.job_choice import Bounds
from gpu_worker.liveness import takes_jobs
from gpu_worker.step_aside import AsideBounds, read_bounds
from gpu_worker.worker_status import WorkerStatus

_MOST_SEEN = 2_000
MOST_MACHINES = 128
"""That are played. Whoever runs a GPU host can write any number of heartbeats."""
_MOST_COMPONENTS = 32
_MOST_BUILDS = 128
"""Of which it is known what they load."""
_UNKNOWN_BYTES = 4 * 2**30
"""Of a build of which nobody knows the weights."""
_DEVICE = "device"


@dataclass(slots=True)
class Observer:
    """Arrivals that were seen, machines that were lost, how slow they are, and the components that builds were seen to
    use."""

    looked_at: datetime | None = None
    """When it looked last for who came."""
    _began: float | None = None
    """When it looked first. What waited by then did not come since, however late the queue gets to it."""
    _came: list[tuple[float, Kind]] = field(default_factory=list)
    _seen: dict[str, None] = field(default_factory=dict)
    _hours: ArrivalHours = field(default_factory=ArrivalHours)
    _watch: Watch = field(default_factory=Watch)
    _components: dict[str, dict[str, int]] = field(default_factory=dict)
    _paces: Paces = field(default_factory=Paces)

    def snapshot(
        self,
        clips: Sequence[Generation],
        statuses: Sequence[WorkerStatus],
        progress: Mapping[str, Progress],
        depth: Depth,
        *,
        behind: Sequence[Counted] = (),
        newest: Sequence[Generation] = (),
    ) -> Snapshot:
        """Return the moment for a forecast of ``clips``, those in flight in RQ's order and the queue's by tag.

        Args:
            behind: who waits behind the first ``NEAR_CLIPS`` of the queue, by kind.
            newest: who came since ``looked_at``, in any state and order, those whom an earlier look saw among them.
        """
        statuses = statuses[:MOST_MACHINES]
        largest_bytes = capacity.largest_bytes(statuses)
        now, clock = time.time(), FairClock.objects.filter(id=1).first() or FairClock()
        running = {(str(clip.id), clip.worker) for clip in clips if clip.state == State.RUNNING}
        makers = {s.generation_id: s for s in statuses if s.generation_id and (s.generation_id, s.name) in running}
        delivered = {s.delivering_id: s for s in statuses if s.delivering_id and (s.delivering_id, s.name) in running}
        works = {str(clip.id): service_rates.work_of(clip) for clip in clips}
        holders = makers | delivered
        on_card = {id: _on(work, capacity.card_of(holders[id])) for id, work in works.items() if id in holders}
        lets_pass = {
            each.name: read_bounds(each.aside) for each in statuses if each.aside.times > 0 and takes_jobs(each)
        }
        ended = self._paces.ended(clips)
        on_cards = {status.name: capacity.card_of(status) for status in statuses}
        made = [(clip, _on(service_rates.work_of(clip), on_cards.get(clip.worker, ""))) for clip in ended]
        came = {clip: service_rates.work_of(clip) for clip in newest if (clip.needs_bytes or 0) <= largest_bytes}
        kinds = _works_of(behind, {clip.version_id: clip.version for clip in (*clips, *newest)})
        every = {work.name: work for work in (*works.values(), *came.values(), *kinds.values())}
        times = service_rates.read([*every.values(), *on_card.values(), *(work for _, work in made)])
        self._paces.see(made, times)
        self._see_components(clips, makers)
        waiting = {
            str(clip.id): _clip(clip, works[str(clip.id)], times, now)
            for clip in clips
            if clip.state != State.RUNNING and (clip.needs_bytes or 0) <= largest_bytes
        }
        by_id = {str(clip.id): clip for clip in clips}
        held = {
            clip.kept_by: _held(clip, waiting[str(clip.id)], lets_pass[clip.kept_by])
            for clip in clips
            if clip.kept_by in lets_pass and str(clip.id) in waiting
        }
        self._see_arrivals([(clip, times.service(work)) for clip, work in came.items()], clock, now)
        sizes = {clip.version.build: sum(clip.version.component_bytes.values()) for clip in (*clips, *newest)}
        components, builds = self._weights(sizes, times)
        in_hand, slowness = {}, {status.name: self._paces.of(status.name, now) for status in statuses}
        for id, status in makers.items():
            work, heard = on_card[id], heard_of(progress.get(id))
            if heard and (pace := seconds_per_step(heard, work)):
                slowness[status.name] = self._paces.of(status.name, now, pace, times.seconds_per_step(work))
            left = remaining(status, work, times, heard, now, slowness[status.name])
            in_hand[status.name] = _in_hand(by_id[id], left, times.delivery(work))
        for status in statuses:
            if status.generation_id and status.generation_id not in works:
                # Of a clip that is settled already its machine only has to say so.
                in_hand[status.name] = InHand(status.generation_id, Spread(1.0, 0.5))
        rests = [InHand(id, times.delivery(on_card[id])) for id in delivered]
        states = {str(clip.id): clip.state for clip in clips}
        queued = [clip for clip in clips if clip.state == State.QUEUED]
        for each in held.values():
            waiting.pop(each.id, None)  # its machine goes on with it, and no other takes it
        queue = [waiting[str(clip.id)] for clip in queued[:NEAR_CLIPS] if str(clip.id) in waiting]
        in_line = [each for id, each in waiting.items() if states[id] == State.DISPATCHED]
        is_whole = len(queued) <= NEAR_CLIPS
        deep: list[Stretch] = []
        if queue and not is_whole:
            deep += stretches.of_kinds(behind, lambda kind: times.service(kinds[kind]).mean_seconds)
            seconds, many = sum(part.seconds for part in deep), sum(part.clips for part in deep)
            seconds, many = (seconds, many) if many else (sum(c.service.mean_seconds for c in queue), len(queue))
            last = behind[-1].end if behind else key_of(queued[NEAR_CLIPS - 1])
            deep += stretches.of_counts(depth, last, seconds / many)
        machines = [
            _machine(status, in_hand.get(status.name), held.get(status.name), slowness[status.name])
            for status in statuses
            if takes_jobs(status)
        ]
        self._watch.see(
            {machine.name: machine.budget_bytes for machine in machines},
            {status.name for status in statuses if not takes_jobs(status)},
            now,
        )
        if machines:  # else nobody says anything: whether one comes back is not known
            machines += self._watch.away(now)[: MOST_MACHINES - len(machines)]
        return Snapshot(
            machines=tuple(machines),
            leaving=(*(in_hand[s.name] for s in makers.values() if not takes_jobs(s)), *rests),
            window=tuple(sorted(in_line, key=lambda each: yields(each.tag))),
            queue=tuple(queue),
            deep=tuple(deep),
            is_whole=is_whole,
            clock=clock.virtual_time,
            free_clock=clock.free_time,
            arrivals=arrivals.learn(self._came, now, self._hours),
            outages=self._watch.outages(),
            components=components,
            builds=builds,
        )

    def to_json(self) -> dict[str, dict[str, Any]]:
        """What was learned, by subject."""
        came = [
            [at, kind.build, kind.above_clock, *_numbers(kind.service), kind.needs_bytes, kind.is_free]
            for at, kind in self._came
        ]
        return {
            "arrivals": {"came": came, "hours": self._hours.to_json()},
            "outages": self._watch.to_json(),
            "weights": self._components,
            "paces": self._paces.to_json(),
        }

    def take_over(self, subject: str, learned: Mapping[str, Any], *, known_at: float) -> None:
        """Go on from what another process knew of one subject at that time.

        Raises:
            LookupError, TypeError, ValueError, AttributeError: it is none of ``to_json``'s; nothing has changed.
        """
        if subject == "arrivals":
            came = [(float(at), _kind_of(*said)) for at, *said in learned["came"]]
            self._hours = ArrivalHours.from_json(learned["hours"])
            self._came, self._began = came[-arrivals.KEPT :], known_at
            self.looked_at = datetime.fromtimestamp(known_at, UTC)
        elif subject == "outages":
            self._watch = Watch.from_json(learned)
        elif subject == "paces":
            self._paces = Paces.from_json(learned)
        elif subject == "weights":
            self._components = {
                str(build): {str(key): int(size_bytes) for key, size_bytes in held.items()}
                for build, held in learned.items()
            }

    def _see_components(self, clips: Iterable[Generation], makers: Mapping[str, WorkerStatus]) -> None:
        """Note which components each build uses: those that its worker leases once loading is over."""
        for clip in clips:
            maker = makers.get(str(clip.id))
            if maker is not None and maker.stage == Stage.DENOISING:
                on_card = [each for each in maker.residents if each.leases and each.tier == _DEVICE]
                held = {each.key: each.size_bytes for each in on_card if each.size_bytes > 0}
                if 0 < len(held) <= _MOST_COMPONENTS:
                    self._components.pop(clip.version.build, None)  # so that the first is that seen longest ago
                    self._components[clip.version.build] = held
        for old in list(islice(self._components, max(0, len(self._components) - _MOST_BUILDS))):
            del self._components[old]

    def _weights(
        self, sizes: Mapping[str, int], times: ServiceTimes
    ) -> tuple[dict[str, Component], dict[str, tuple[str, ...]]]:
        """Components and builds; of a build that was not seen at work, one component for all its weights."""
        builds = {**sizes, **{kind.build: sizes.get(kind.build, 0) for _, kind in self._came}}
        held = {b: self._components.get(b) or {f"weights of {b}": sizes.get(b) or _UNKNOWN_BYTES} for b in builds}
        every = {key: size for each in held.values() for key, size in each.items()}
        components = {key: Component(size, times.load_seconds("", size)) for key, size in every.items()}
        return components, {build: tuple(each) for build, each in held.items()}

    def _see_arrivals(self, newest: Iterable[tuple[Generation, Spread]], clock: FairClock, now: float) -> None:
        """Note who came, with what each takes on a card."""
        if self._began is None:
            self._began = now
        self.looked_at = datetime.fromtimestamp(now, UTC)
        known = len(self._came)
        for clip, service in newest:
            if str(clip.id) not in self._seen and (came_at := clip.created_at.timestamp()) > self._began:
                self._seen[str(clip.id)] = None
                is_free = yields(clip.fair_finish)
                kind = Kind(clip.version.build, _above_clock(clip, clock), service, clip.needs_bytes or 0, is_free)
                self._came.append((came_at, kind))
        self._hours.see(len(self._came) - known, now)
        self._came = sorted(self._came, key=lambda each: each[0])[-arrivals.KEPT :]
        for old in list(islice(self._seen, max(0, len(self._seen) - _MOST_SEEN))):
            del self._seen[old]


def _above_clock(clip: Generation, clock: FairClock) -> float:
    """Return how far above its tier's clock the clip's tag was when it came. By now that clock may have passed it; it
    was above it by its own price at the least."""
    now = clock.free_time if yields(clip.fair_finish) else clock.virtual_time
    return max(clip.fair_finish - now, clip.credits_quoted / (clip.fair_weight or 1))


def _numbers(spread: Spread) -> tuple[float, float, float]:
    return spread.median_seconds, spread.sd, spread.doubt


def _kind_of(build: Any, above_clock: Any, median: Any, sd: Any, doubt: Any, needs_bytes: Any, is_free: Any) -> Kind:
    spread = Spread(float(median), float(sd), float(doubt))
    return Kind(str(build), float(above_clock), spread, int(needs_bytes), bool(is_free))


def _works_of(behind: Sequence[Counted], known: Mapping[int, ModelVersion]) -> dict[Counted, Work]:
    unknown = {kind.version_id for kind in behind} - known.keys()
    versions = {**known, **(ModelVersion.objects.select_related("model").in_bulk(unknown) if unknown else {})}
    return {kind: service_rates.work_of_kind(versions[kind.version_id], kind) for kind in behind}


def _on(work: Work, card: str) -> Work:
    return Work(work.build, work.mode, work.preset, card, work.steps, work.voxels, work.reference_seconds)


def _clip(clip: Generation, work: Work, times: ServiceTimes, now: float) -> Clip:
    waited = now - clip.dispatched_at.timestamp() if clip.dispatched_at and clip.state == State.DISPATCHED else 0.0
    goes_on = clip.times_aside > 0  # it has some of its steps, and nobody overtakes it
    service = times.remaining(work, steps_done=clip.resumed_from_step) if goes_on else times.service(work)
    return Clip(
        str(clip.id),
        work.build,
        clip.fair_finish,
        service,
        clip.needs_bytes or 0,
        max(0.0, waited),
        skips=Bounds().max_skips if goes_on else 0,
        times_aside=clip.times_aside,
        passes=clip.passes if clip.state == State.DISPATCHED else 0,
        delivery=times.delivery(work),
        asked_at=clip.created_at.timestamp(),
    )


def _in_hand(clip: Generation, remaining: Spread, delivery: Spread) -> InHand:
    is_free = yields(clip.fair_finish)
    return InHand(str(clip.id), remaining, clip.version.build, is_free, clip.times_aside, delivery=delivery)


def _held(clip: Generation, waiting: Clip, policy: AsideBounds) -> InHand:
    """What has stepped aside: for how long still, is known from when it came back into line."""
    left_seconds = max(0.0, policy.seconds - waiting.waited_seconds)
    return replace(_in_hand(clip, waiting.service, waiting.delivery), passes_for_seconds=left_seconds)


def _machine(status: WorkerStatus, in_hand: InHand | None, held: InHand | None, slowness: Spread) -> Machine:
    resident = [each for each in status.residents if each.tier == _DEVICE]
    residents = tuple(each.key for each in sorted(resident, key=lambda each: each.last_used))
    budget_bytes, aside = capacity.budget_of(status), read_bounds(status.aside)
    return Machine(status.name, budget_bytes, residents, in_hand, slowness=slowness, aside=aside, held=held)
