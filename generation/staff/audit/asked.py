"""What the address of the audit log asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import QueryDict
from django.utils import timezone

from generation.staff.audit.acts import AREAS
from loremotion.row_number import row_number
from loremotion.time_filter import WINDOWS, Period


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for."""

    text: str = ""
    everybody: bool = False
    """Whether also for what members did."""
    by: str = ""
    area: str = ""
    customer: UUID | None = None
    when: str = ""
    before: tuple[int | None, int | None] = (None, None)
    """The oldest rows of both tables that the page before this one showed: its note's id, its entry's id."""

    @classmethod
    def of(cls, said: QueryDict) -> Asked:
        notes, _, entries = said.get("before", "").partition(".")
        return cls(
            text=said.get("q", "").replace("\x00", "").strip(),
            everybody=said.get("who") == "everybody",
            by=said.get("by", "").replace("\x00", "").strip(),
            area=said.get("about", "") if said.get("about") in AREAS else "",
            customer=uuid_of(said.get("customer", "")),
            when=said.get("when", "").replace("\x00", ""),
            before=(row_number(notes), row_number(entries)),
        )

    def address(self, **changes: Any) -> str:
        """Return the address of the newest of what is asked for, with ``changes``."""
        wanted = replace(self, **{"before": (None, None), **changes})
        said = {
            "q": wanted.text,
            "who": "everybody" if wanted.everybody else "",
            "by": wanted.by,
            "about": wanted.area,
            "customer": str(wanted.customer or ""),
            "when": wanted.when,
            "before": ".".join(str(each or "") for each in wanted.before) if any(wanted.before) else "",
        }
        return f"?{urlencode({name: value for name, value in said.items() if value})}"

    def older_than(self, before: tuple[int | None, int | None]) -> Asked:
        """Return the same, of what is older than those rows of both tables."""
        return replace(self, before=before)

    @property
    def span(self) -> tuple[datetime | None, datetime | None]:
        """From when, and until before when; None: without an end. An unknown word asks for any time."""
        if self.when in WINDOWS:
            return timezone.now() - WINDOWS[self.when], None
        period = Period.named(self.when)
        if period is None:
            return None, None
        begins, ends = (timezone.make_aware(datetime.combine(day, time())) for day in (period.since, period.until))
        return begins, ends


def uuid_of(text: str) -> UUID | None:
    """Return the id that ``text`` writes; None where it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
