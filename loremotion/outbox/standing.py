"""How something that is sent stands, in the words of the admin."""

from __future__ import annotations

from loremotion.detail_page import Fact, Standing, at
from loremotion.outbox.models import Outgoing, State


def outgoing_standing(row: Outgoing) -> Standing:
    """Return whether it was sent, waits for its next try or is given up, and what went wrong."""
    match row.state:
        case State.DEAD:
            return Standing("Given up", "bad", row.last_error)
        case State.WAITING:
            return Standing(f"Waiting, next try {at(row.due_at)}", "", row.last_error)
    return Standing("Sent", "good")


def outgoing_facts(row: Outgoing) -> list[Fact]:
    """Return when it was written and tried."""
    return [
        Fact("Written", at(row.created_at)),
        Fact("Tries", str(row.attempts)),
        Fact("Tried until", at(row.expires_at) if row.state == State.WAITING else ""),
        Fact("Sent" if row.state == State.SENT else "Given up", at(row.ended_at)),
    ]
