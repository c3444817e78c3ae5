"""What a workspace spent: the ledger's holds, added up by day, model, API key or member.

The sums are those of ``generation.spending``, and for any span what the ledger says, to the credit. A span has a
longest length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, timedelta
from typing import Any, Final

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.caller import Caller
from accounts.roles import Action
from generation import spending
from generation.spending import GROUPS
from loremotion.csv_lines import csv_line
from loremotion.refusals import Invalid

MOST_DAYS: Final = 92
MOST_LINES: Final = 5_000


@dataclass(frozen=True, slots=True)
class Span:
    """Days (UTC), both among them."""

    since: date
    until: date

    @property
    def days(self) -> int:
        return (self.until - self.since).days + 1

    @property
    def before(self) -> Span:
        """As many days, right before it."""
        return Span(self.since - timedelta(days=self.days), self.since - timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Spent:
    """Whole credits, and what was made for them."""

    clips: int = 0
    """That were asked for, whatever became of them."""
    seconds: float = 0.0
    """Of finished clips."""
    held: int = 0
    """For those that have not ended."""
    charged: int = 0
    given_back: int = 0

    @property
    def counted(self) -> int:
        """What a limit counts: what is held in full, and of the rest what was charged."""
        return self.held + self.charged

    def __add__(self, other: Spent) -> Spent:
        return Spent(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Spent)))

    def to_json(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(Spent)} | {"seconds": round(self.seconds, 3)}


@dataclass(frozen=True, slots=True)
class Line:
    """One group's share. ``of`` has its day, model, key's beginning or member's address, by what was asked for; None
    where a clip has none, such as the key of a clip made on a page."""

    of: dict[str, str | None]
    key_name: str
    """Where keys are told apart: the name of this one."""
    model_name: str
    """Where models are told apart: the name of this one."""
    spent: Spent


@dataclass(frozen=True, slots=True)
class Usage:
    span: Span
    by: tuple[str, ...]
    lines: list[Line]

    @property
    def total(self) -> Spent:
        return sum((line.spent for line in self.lines), Spent())

    def to_json(self) -> dict[str, Any]:
        return {
            "object": "usage",
            "since": self.span.since.isoformat(),
            "until": self.span.until.isoformat(),
            "by": list(self.by),
            "data": [line.of | _named(line, self.by) | line.spent.to_json() for line in self.lines],
            "total": self.total.to_json(),
        }

    def to_csv(self) -> Iterator[str]:
        names = ("key_name",) if "key" in self.by else ()
        yield csv_line([*self.by, *names, *Spent().to_json()])
        for line in self.lines:
            yield csv_line([*line.of.values(), *_named(line, self.by).values(), *line.spent.to_json().values()])


def usage_of(caller: Caller, span: Span, by: Sequence[str]) -> Usage:
    """What the caller's workspace spent on requests of ``span``, a line a group of ``by``, as ``groups_of`` says it.
    One query.

    Who may see payments is told of the whole workspace; any other key or member of what they asked for themselves.

    Raises:
        Invalid: there are more lines than one answer has.
    """
    workspace = caller.workspace
    if workspace is None:
        return Usage(span, tuple(by), [])
    is_whole = caller.may(Action.READ_PAYMENTS)
    found = spending.sums_by_group(
        workspace.id,
        span.since,
        span.until,
        by,
        key=caller.key.line_id if caller.key is not None and not is_whole else None,
        member=caller.user.id if caller.user is not None and not is_whole else None,
        limit=MOST_LINES + 1,
    )
    if len(found) > MOST_LINES:
        raise Invalid(
            "too_many_lines",
            _("That makes more than %(most)s lines.") % {"most": intcomma(MOST_LINES)},
            next_step=_("Ask for fewer days, or group by less."),
            field="by",
        )
    return Usage(span, tuple(by), [_line_of(row, by) for row in found])


def span_of(since: str, until: str) -> Span:
    """The span that is asked for; this month up to today where nothing is said.

    Raises:
        Invalid: what is no date, or too long a span.
    """
    today = timezone.now().astimezone(UTC).date()
    last = _date_of(until, "until") if until else today
    first = _date_of(since, "since") if since else last.replace(day=1)
    if not first <= last:
        raise Invalid("invalid_since", _("since comes after until."), next_step=_("Swap them."), field="since")
    if (last - first).days >= MOST_DAYS:
        raise Invalid(
            "span_too_long",
            _("At most %(most)s days at once.") % {"most": MOST_DAYS},
            next_step=_("Ask for one part at a time."),
            field="since",
        )
    return Span(first, last)


def groups_of(said: Iterable[str]) -> tuple[str, ...]:
    """What is grouped by, once each and in the order of the columns; by day where nothing is said.

    Raises:
        Invalid: names what it cannot be grouped by.
    """
    asked = [name.strip() for name in said if name.strip()]
    for name in asked:
        if name not in GROUPS:
            raise Invalid(
                "invalid_by",
                _("Usage can't be grouped by %(name)s.") % {"name": repr(name[:60])},
                next_step=_("Choose from: %(groups)s.") % {"groups": ", ".join(GROUPS)},
                field="by",
            )
    return tuple(name for name in GROUPS if name in asked) or GROUPS[:1]


def _line_of(row: Sequence[Any], by: Sequence[str]) -> Line:
    key_name, model_name, *spent = row[len(by) :]
    of = dict(zip(by, row, strict=False))
    return Line(of=of, key_name=key_name or "", model_name=model_name or "", spent=Spent(*spent))


def _named(line: Line, by: Sequence[str]) -> dict[str, str]:
    return {"key_name": line.key_name} if "key" in by else {}


def _date_of(text: str, field: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or not 2000 <= found.year < 9999:
        raise Invalid(f"invalid_{field}", _("%(field)s is a date, such as 2027-01-31.") % {"field": field}, field=field)
    return found
