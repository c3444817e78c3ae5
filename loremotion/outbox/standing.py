"""How something that is sent stands, in the words of the admin."""

from __future__ import annotations

from loremotion.detail_page import Fact, Standing, at
from loremotion.outbox.models import Outgoing, State


def outgoing_standing(row: Outgoing) -> Standing:
    """Return whether it was sent, waits for its next attempt or has failed to the end, and what went wrong."""
    match row.state:
        case State.DEAD:
            return Standing(str(State.DEAD.label), "bad", row.last_error)
        case State.WAITING:
            return Standing(f"Waiting, next attempt {at(row.due_at)}", "", row.last_error)
    return Standing("Sent", "good")


def outgoing_facts(row: Outgoing) -> list[Fact]:
    """Return when it was written, and of its attempts."""
    return [
        Fact("Written", at(row.created_at)),
        Fact("Attempts", str(row.attempts)),
        Fact("Tried until", at(row.expires_at) if row.state == State.WAITING else ""),
        Fact("Sent" if row.state == State.SENT else str(State.DEAD.label), at(row.ended_at)),
    ]
