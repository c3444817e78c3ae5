"""Several clips made at once, and the answer that lists them: what ``n`` takes of one clip and a batch share."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest
from rest_framework.response import Response

from generation.api import presentation
from generation.scheduling import capacity, forecast_board
from generation.submission import batch
from generation.submission.wanted import Wanted


def make_all(request: HttpRequest, wanted: Sequence[Wanted], *, most_credits: int | None) -> Response:
    """Make all of them, and answer with a list of their Video objects in the order in which they were asked for."""
    with capacity.asked_once(forecast_board.send):
        made = batch.take_all(request, wanted, most_credits=most_credits)
    answer = Response(presentation.page(presentation.all_taken(made), has_more=False))
    if made[0].is_repeated:
        answer["Idempotent-Replayed"] = "true"
    return answer
