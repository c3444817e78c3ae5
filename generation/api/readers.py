"""Whoever reads an answer that lasts: keys are revoked, and clips made private, meanwhile."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest

from accounts import tenancy
from accounts.caller import state_of
from generation.models import Generation
from loremotion import database
from loremotion.refusals import Refusal


def may_still_read(request: HttpRequest, generation_id: UUID) -> bool:
    """Whether whoever was let in to a clip by this request would be again. A visitor who came with it has nothing else
    to show for that until its answer has ended, and nothing that could have been taken away."""
    try:
        if state_of(request).visitor_to_set is not None:
            return True
        caller = tenancy.find_caller(request)
        return Generation.objects.seen_by(caller).filter(id=generation_id).exists()
    except Refusal:
        return False
    finally:
        database.give_back()
