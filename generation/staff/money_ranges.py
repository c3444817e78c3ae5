"""The span of time that the page of money shows, as its address names it: the last days, or between two dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from urllib.parse import urlencode

from generation.figures import Span

HOURS, FIRST = "24h", "30d"
NAMED: Final = {HOURS: "24 hours", "7d": "7 days", FIRST: "30 days", "90d": "90 days"}
_DAYS: Final = {"7d": 7, FIRST: 30, "90d": 90}
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
MOST_DAYS: Final = 731
"""Of two dates: two years, so that no address has the whole history summed up."""
FIRST_DAY: Final = date(2000, 1, 1)
"""Nothing was sold before, and what it is compared with has to be on the calendar too."""
MOST_COLUMNS: Final = 92
"""Of a plot; what is longer is told by the week."""


@dataclass(frozen=True, slots=True)
class MoneyRange:
    """From ``since`` on, until before ``until``, and what it is compared with: as long a time before it."""

    name: str
    """Of ``NAMED``; empty where two dates say it."""
    title: str
    since: datetime
    until: datetime
    length: timedelta
    span: Span
    """The same in parts that begin at round moments of UTC, for plots: hours, days or weeks."""
    problem: str = ""
    """Why it is not what was asked for."""

    @property
    def first(self) -> date:
        return self.since.date()

    @property
    def last(self) -> date:
        return (self.until - timedelta(microseconds=1)).date()

    @property
    def is_going_on(self) -> bool:
        """Whether it is not over."""
        return self.since + self.length > self.until or self.name == HOURS

    @property
    def is_by_day(self) -> bool:
        """Whether it is made of whole days, as what is known by the day alone is."""
        return self.name != HOURS

    @property
    def before(self) -> tuple[datetime, datetime]:
        """As much time as has passed of this one, as long ago as it is long."""
        return self.since - self.length, self.until - self.length

    @property
    def query(self) -> str:
        """What an address says to ask for it."""
        return urlencode({"range": self.name} if self.name else {"from": self.first, "to": self.last})


def named_range(name: str, now: datetime, problem: str = "") -> MoneyRange:
    """Return the range of ``NAMED`` that ends now."""
    if name == HOURS:
        end = now.replace(minute=0, second=0, microsecond=0) + _HOUR
        return MoneyRange(name, "Last 24 hours", now - _DAY, now, _DAY, Span(end - _DAY, end, 24), problem)
    days = _DAYS[name]
    first = now.astimezone(UTC).date() - (days - 1) * _DAY
    return _of_days(name, f"Last {days} days", first, days, now, problem)


def range_of(asked: Mapping[str, str], now: datetime) -> MoneyRange:
    """Return the range that an address asks for: ``?range=7d``, or ``?from=2026-01-01&to=2026-01-31``, both included.

    Of what cannot be shown it says why, beside the one that is shown instead.
    """
    if asked.get("from") or asked.get("to"):
        return _between(asked.get("from", ""), asked.get("to", ""), now)
    name = asked.get("range", FIRST)
    return named_range(name if name in NAMED else FIRST, now)


def _between(first_text: str, last_text: str, now: datetime) -> MoneyRange:
    today = now.astimezone(UTC).date()
    try:
        first, last = date.fromisoformat(first_text), date.fromisoformat(last_text or str(today))
    except ValueError:
        return named_range(FIRST, now, "Write both dates as 2026-01-31.")
    if not first <= min(last, today):
        return named_range(FIRST, now, "The first day has to be before the last, and not after today.")
    days = (min(last, today) - first).days + 1
    if days > MOST_DAYS:
        return named_range(FIRST, now, f"Two years at once are the most: choose {MOST_DAYS} days or fewer.")
    if first < FIRST_DAY:
        return named_range(FIRST, now, f"The first day has to be {FIRST_DAY} or later.")
    return _of_days("", f"{_said(first)} – {_said(min(last, today))}", first, days, now)


def _of_days(name: str, title: str, first: date, days: int, now: datetime, problem: str = "") -> MoneyRange:
    since, length = datetime.combine(first, time(), UTC), days * _DAY
    step = 1 if days <= MOST_COLUMNS else 7
    parts = -(-days // step)
    span = Span(since, since + parts * step * _DAY, parts)
    return MoneyRange(name, title, since, min(since + length, now), length, span, problem)


def _said(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
