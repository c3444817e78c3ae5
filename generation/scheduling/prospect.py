"""What a clip would wait for that nobody has asked for yet, and when it would be ready."""

from __future__ import annotations

import time

from django.utils.functional import lazy

from accounts.models import Workspace
from billing.plans import Entitlements
from catalog.offers import Offer
from generation.models import State
from generation.scheduling import (
    capacity,
    fair_queue,
    forecast_board,
    forecast_record,
    remote_wait,
    service_rates,
    storage_pause,
)
from generation.scheduling.forecast import Expected
from generation.scheduling.offline import too_large
from generation.scheduling.places import Place
from generation.scheduling.wait import Looks, Wait, read_budgets_and_board, reason_of, services_of
from loremotion.row_security import across_workspaces


@across_workspaces("only its own line's last tag comes out, and how long others take")
def prospect_of(offer: Offer, workspace: Workspace | None, *, may: Entitlements, network: str = "") -> Expected | None:
    """Return what the clip may expect if it were asked for now; None where nobody can say.

    Args:
        may: what the workspace is entitled to.
        network: where its visitor comes from; empty where it has none, or nobody knows.
    """
    if capacity.is_remote(offer.least_bytes):
        every, board = read_budgets_and_board([])
        place = Looks(every, board).at(offer.least_bytes).place_of_new(_tag_of(offer, workspace, may, network))
        return _prospect_far(offer, place, workers=len(capacity.able(every, needs_bytes=offer.least_bytes)))
    places = forecast_board.places()
    return None if places is None else _prospect(offer, _tag_of(offer, workspace, may, network), places)


@across_workspaces("its own line's last tag comes out, and how many and how long others are")
def wait_before_asking(offer: Offer, workspace: Workspace | None, *, may: Entitlements, network: str = "") -> Wait:
    """Return what the clip would wait for if it were asked for now. Arguments as ``prospect_of``."""
    every, board = read_budgets_and_board([])
    needed_bytes = offer.least_bytes or 0
    budgets = capacity.able(every, needs_bytes=needed_bytes)
    if budgets and needed_bytes > budgets[-1]:
        return Wait(0, lazy(too_large, str)(needed_bytes, budgets[-1]), is_for_a_machine=True)
    tag = _tag_of(offer, workspace, may, network)
    stands = Looks(every, board).at(needed_bytes).place_of_new(tag)
    if stands.is_held_up:
        return Wait(stands.number, storage_pause.REASON, is_for_a_machine=True)
    expected = None
    if capacity.is_remote(needed_bytes):
        expected = _prospect_far(offer, stands, workers=len(budgets))
    elif budgets and board.places is not None:
        expected = _prospect(offer, tag, board.places)
    reason = reason_of(State.QUEUED, stands, needed_bytes, is_taken=bool(budgets))
    return Wait(stands.number, reason, expected, is_for_a_machine=not budgets)


def _tag_of(offer: Offer, workspace: Workspace | None, may: Entitlements, network: str) -> float:
    return fair_queue.prospective_finish(
        workspace,
        is_paid=may.is_paid,
        network="" if may.is_paid else network,
        credits=offer.quote.credits,
        weight=may.priority_weight,
    )


def _prospect(offer: Offer, tag: float, places: forecast_board.Places) -> Expected | None:
    work = service_rates.work_of_offer(offer)
    service = services_of([work], places)[work.name]
    return places.expected(tag, service, tier=forecast_record.tier_of_tag(tag), now=time.time(), build=work.build)


def _prospect_far(offer: Offer, place: Place, *, workers: int) -> Expected | None:
    work = service_rates.work_of_offer(offer)
    return remote_wait.behind(place, service_rates.read([work]).service(work), workers=workers)
