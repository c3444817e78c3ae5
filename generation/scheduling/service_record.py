"""When each model could be used: spans that the beat writes, and what the status page tells of them.

A model is down while no machine that takes clips can make even its smallest one (``offline``). Where the beat itself
was away nothing is known, and nothing is claimed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from django.utils import timezone

from catalog.measurements import smallest_clips
from catalog.models import Model, ModelVersion
from generation.models import ServiceSpan
from generation.scheduling import capacity
from gpu_worker.contract import REMOTE_BYTES

EVERY: Final = timedelta(minutes=1)
"""How often a span that goes on is written anew."""
UNSEEN: Final = timedelta(minutes=5)
"""A beat that was away for longer leaves a gap."""
SHOWN_DAYS: Final = 30
KEPT: Final = timedelta(days=SHOWN_DAYS + 1)
FORGOTTEN_AT_ONCE: Final = 1_000
MOST_SPANS: Final = 5_000
"""That one page reads: more than a month has, unless machines come and go all the time."""
MOST_OUTAGES: Final = 20


@dataclass(frozen=True, slots=True)
class Day:
    """One day of one model, as shares of the whole day: what is missing from both was not recorded, or is to come."""

    date: date
    up: float
    down: float

    @property
    def lasted(self) -> timedelta:
        """How long the model was down on this day."""
        return self.down * timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch in which these models were down."""

    models: tuple[str, ...]
    began_at: datetime
    until_at: datetime
    is_over: bool


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """What the last days were like."""

    days: Mapping[str, Sequence[Day]]
    """Model → each of the last ``SHOWN_DAYS``, oldest first."""
    outages: Sequence[Outage]
    """Newest first, ``MOST_OUTAGES`` at most."""
    since: datetime | None
    """From when on something is known; None while nothing is."""

    def up_share(self, model: str) -> float | None:
        """Return the share of the recorded time in which the model was up; None where none was recorded."""
        up, down = (sum(getattr(day, name) for day in self.days[model]) for name in ("up", "down"))
        return up / (up + down) if up + down else None


def up_models(models: Iterable[Model], budgets: Collection[int]) -> dict[str, bool]:
    """Slug → whether a machine that takes clips can make some of this model's. One query, or none.

    Args:
        budgets: bytes that each worker which takes jobs may use, ``REMOTE_BYTES`` of remote ones.
    """
    versions: dict[str, ModelVersion] = {model.slug: model.current for model in models if model.current is not None}
    largest_bytes = max(capacity.able(budgets, needs_bytes=None), default=None)
    too_large = smallest_clips(versions.values(), above_bytes=largest_bytes) if largest_bytes is not None else {}
    is_anybody_remote = REMOTE_BYTES in budgets
    return {
        slug: is_anybody_remote
        if version.family_facts.is_remote
        else largest_bytes is not None and version.id not in too_large
        for slug, version in versions.items()
    }


def sweep() -> None:
    """Write which models are up now, and delete what is older than it is kept.

    Raises:
        redis.RedisError: Valkey is away, and nobody can say.
    """
    now = timezone.now()
    up = up_models(Model.objects.for_people(), capacity.budgets_of(capacity.statuses()))
    newest_last = ServiceSpan.objects.filter(until_at__gt=now - UNSEEN).order_by("until_at", "began_at")
    last = {span.model: span for span in newest_last}
    goes_on = {slug for slug, span in last.items() if up.get(slug) == span.is_up}
    changed = [span.id for slug, span in last.items() if slug in up and slug not in goes_on]
    lasting = [last[slug].id for slug in goes_on if last[slug].until_at <= now - EVERY]
    if ended := [*changed, *lasting]:
        ServiceSpan.objects.filter(id__in=ended).update(until_at=now)
    ServiceSpan.objects.bulk_create(
        ServiceSpan(model=slug, is_up=is_up, began_at=now, until_at=now)
        for slug, is_up in up.items()
        if slug not in goes_on
    )
    old = ServiceSpan.objects.filter(until_at__lt=now - KEPT).order_by("until_at").values_list("id", flat=True)
    ServiceSpan.objects.filter(id__in=list(old[:FORGOTTEN_AT_ONCE])).delete()


def record_of(models: Collection[str]) -> ServiceRecord:
    """Return what the last ``SHOWN_DAYS`` were like for these models, in one query."""
    now = timezone.localtime()
    dates = [now.date() - timedelta(days=ago) for ago in reversed(range(SHOWN_DAYS))]
    since = timezone.make_aware(datetime.combine(dates[0], time.min))
    spans = list(
        ServiceSpan.objects.filter(until_at__gt=since, model__in=models).order_by("-until_at", "-began_at")[:MOST_SPANS]
    )
    by_model: defaultdict[str, list[ServiceSpan]] = defaultdict(list)
    for span in spans:
        by_model[span.model].append(span)
    return ServiceRecord(
        days={model: [_day(date, by_model.get(model, ())) for date in dates] for model in models},
        outages=_outages(by_model, now),
        since=max(since, min(span.began_at for span in spans)) if spans else None,
    )


def _day(date: date, spans: Iterable[ServiceSpan]) -> Day:
    begins = timezone.make_aware(datetime.combine(date, time.min))
    ends = timezone.make_aware(datetime.combine(date + timedelta(days=1), time.min))
    shares = {True: 0.0, False: 0.0}
    for span in spans:
        lasted = min(span.until_at, ends) - max(span.began_at, begins)
        shares[span.is_up] += max(lasted, timedelta()) / (ends - begins)
    return Day(date, up=shares[True], down=shares[False])


def _outages(by_model: Mapping[str, Sequence[ServiceSpan]], now: datetime) -> list[Outage]:
    """The spans in which models were down, those that began and ended together as one. Each model's newest is first."""
    together: defaultdict[tuple[datetime, datetime], list[str]] = defaultdict(list)
    going_on = set()
    for model, spans in by_model.items():
        for span in spans:
            if not span.is_up:
                together[span.began_at, span.until_at].append(model)
        if not spans[0].is_up and spans[0].until_at > now - UNSEEN:
            going_on.add((spans[0].began_at, spans[0].until_at))
    newest = sorted(together, reverse=True)[:MOST_OUTAGES]
    return [Outage(tuple(together[each]), *each, is_over=each not in going_on) for each in newest]
