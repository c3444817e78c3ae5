"""What the Video object tells of a draft."""

from __future__ import annotations

from typing import Any

from accounts.caller import Caller
from generation.drafts.models import draft_of
from generation.models import Generation
from generation.submission import finishing


def told_of(generation: Generation, caller: Caller) -> dict[str, Any] | None:
    """What a clip is a draft of, what finishing it costs, and which clip that made, where the caller sees it; None of
    what is no draft."""
    note = draft_of(generation)
    if note is None or note.generation_id != generation.id:
        return None
    offered, final = finishing.offer_of(note), finishing.final_of(note, caller)
    return {
        "preset": note.final_preset,
        "steps": note.final_steps,
        "credits_to_finish": offered.credits if offered is not None else None,
        "until": int(offered.until.timestamp()) if offered is not None else None,
        "final_id": str(final.id) if final is not None else None,
    }
