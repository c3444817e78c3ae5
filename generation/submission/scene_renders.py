"""Part of a storyboard is rendered: all that has to be, one scene, or one and those after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _

from accounts.caller import Caller
from generation.models import Generation
from generation.storyboards import keeping
from generation.storyboards.models import Storyboard
from generation.submission import batch, idempotency, scenes
from generation.submission.idempotency import Repeat, Sending
from generation.submission.scene_cards import Card, ask_of, cards_of, first_stale
from loremotion.refusals import Conflict


@dataclass(frozen=True, slots=True)
class Part:
    """Which scenes are to be rendered."""

    scene_id: str | None = None
    """The first of them; None: the first that has to be rendered, if there is one."""
    is_alone: bool = False
    """Whether it is that one and none after it."""


def render(
    request: HttpRequest,
    caller: Caller,
    board: Storyboard,
    part: Part,
    *,
    form: str = "",
    key: str = "",
    most_credits: int | None = None,
) -> list[Generation]:
    """Queue the clips of these scenes and make them the scenes' own. Returns none where nothing has to be rendered,
    and the first of them alone where an earlier sending of the request made them.

    Args:
        form: what a form has to tell that it was sent twice. It speaks of all that the storyboard has in it.
        key: the ``Idempotency-Key`` of a request, which speaks of ``part`` alone, however the scenes stand by then.
        most_credits: what all of them may cost; None for whatever they do.

    Raises:
        Conflict: they are being made, the one before is not made yet, the first is another member's private clip, or
            somebody has just changed them.
        KeyReused: ``form`` or ``key`` stands for something else.
        CostsMore, Refusal: as ``scenes.take_in_order``. Nothing is left behind.
        Http404: the storyboard has no such scene.
    """
    repeat = _repeat(caller, board, part, form=form, key=key)
    if (made := idempotency.with_same_key(board.workspace, repeat, caller=caller)) is not None:
        return [made]
    cards = cards_of(board, caller)
    numbers = _numbers(cards, part)
    if not numbers:
        return []
    before = cards[numbers[0] - 1] if numbers[0] else None
    if before is not None and not before.is_made:
        words, step = _("Scene %(number)s is not made yet."), _("Render that one first, or all of them.")
        if before.is_hidden:
            words = _("Scene %(number)s is another member's private clip.")
            step = _("Render it and those after it, or ask for it to be shared.")
        raise Conflict("no_beginning", words % {"number": numbers[0]}, next_step=step)
    if part.scene_id is None and (first := cards[numbers[0]]).is_hidden and not first.is_open:
        raise Conflict(
            "hidden_clip",
            _("Scene %(number)s has a clip already, which is private and not yours to see.")
            % {"number": numbers[0] + 1},
            next_step=_("Ask for it to be shared, or render it and those after it once more."),
        )
    looked_at = [card.scene for card in cards[max(0, numbers[0] - 1) : numbers[-1] + 1]]

    def recheck() -> None:
        if any(cards[number].is_open for number in numbers):
            raise Conflict(
                "in_progress", _("These scenes are being made."), next_step=_("Wait for them, or cancel them.")
            )
        if not keeping.are_as_read(board, looked_at):
            raise Conflict(
                "changed_meanwhile",
                _("These scenes were just changed or rendered by another request."),
                next_step=_("Look at them, then render what is still to be rendered."),
            )

    asks = [ask_of(board, cards[number].scene) for number in numbers]
    after = before.clip if before is not None else None
    shown = [cards[number].scene for number in numbers]
    return scenes.take_in_order(
        request,
        asks,
        after=after,
        repeat=repeat,
        most_credits=most_credits,
        recheck=recheck,
        then=lambda made: keeping.show_clips(shown, made),
    )


def _repeat(caller: Caller, board: Storyboard, part: Part, *, form: str, key: str) -> Repeat:
    """How the request says that it may be sent again."""
    asked: dict[str, Any] = {"storyboard": str(board.id), **asdict(part)}
    if form:
        asked["settings"] = [board.model, board.size, board.preset, board.seconds]
        asked["scenes"] = [[scene.id, scene.prompt] for scene in board.scenes.all()]
    name = f"form:{form[:64]}" if form else f"key:{key}" if key else batch.new_sending()
    return idempotency.named_by(Sending(f"scenes:{board.id}:{name}"), asked, caller=caller)


def _numbers(cards: Sequence[Card], part: Part) -> list[int]:
    """The numbers of the scenes, from 0."""
    if part.scene_id is None:
        first = first_stale(cards)
        return [] if first is None else list(range(first, len(cards)))
    at = next((number for number, card in enumerate(cards) if str(card.scene.id) == part.scene_id), None)
    if at is None:
        raise Http404
    return [at] if part.is_alone else list(range(at, len(cards)))
