"""What people keep together: favourites, and boards that they fill, name and delete. No clip is lost here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import tenancy
from accounts.models import Workspace
from accounts.roles import Action
from generation.boards.models import MOST_TITLE_CHARACTERS, Board, BoardClip
from generation.models import Generation
from loremotion.refusals import Conflict, Invalid

MOST_BOARDS: Final = 100
MOST_CLIPS: Final = 500
"""On one board."""


def set_favourite(clips: Sequence[Generation], *, is_favourite: bool) -> None:
    """Make these clips favourites of their workspace, or no longer."""
    Generation.objects.filter(id__in=[clip.id for clip in clips]).update(is_favourite=is_favourite)


@transaction.atomic
def begin(workspace: Workspace, *, title: str, clips: Iterable[Generation] = ()) -> Board:
    """Make a board with these clips on it.

    Raises:
        Conflict: there are as many boards as there may be.
        Invalid: the title says nothing, or too much.
    """
    title = _sound(title)
    tenancy.lock_and_recheck(workspace, Action.GENERATE)  # of two at once, the second counts the first
    if Board.objects.of(workspace).count() >= MOST_BOARDS:
        raise Conflict(
            "too_many_boards",
            _("You have %(most)s boards, the limit.") % {"most": MOST_BOARDS},
            next_step=_("Delete one you don't need."),
        )
    board = Board.objects.create(workspace=workspace, title=title)
    add(board, clips)
    return board


@transaction.atomic
def add(board: Board, clips: Iterable[Generation]) -> None:
    """Put clips on the board. Those that are there already stay where they are.

    Raises:
        Conflict: it would hold more than it may.
    """
    Board.objects.select_for_update(no_key=True).filter(id=board.id).first()
    places = [BoardClip(board=board, generation=clip) for clip in clips]
    BoardClip.objects.bulk_create(places, ignore_conflicts=True)
    if board.places.count() > MOST_CLIPS:
        raise Conflict(
            "board_is_full",
            _("A board holds %(most)s clips.") % {"most": MOST_CLIPS},
            next_step=_("Start another board."),
        )


def remove(board: Board, clips: Iterable[Generation]) -> None:
    """Take clips off the board. They stay in the library."""
    board.places.filter(generation__in=list(clips)).delete()


def rename(board: Board, *, title: str) -> None:
    """Give the board another title.

    Raises:
        Invalid: the title says nothing, or too much.
    """
    Board.objects.filter(id=board.id).update(title=_sound(title))


def delete(board: Board) -> None:
    """Delete the board. Its clips stay."""
    Board.objects.filter(id=board.id).delete()


def forget(generation_id: UUID) -> None:
    """Take a clip that is deleted off every board."""
    BoardClip.objects.filter(generation_id=generation_id).delete()


def _sound(title: str) -> str:
    title = " ".join(title.replace("\x00", "").split())
    if not 0 < len(title) <= MOST_TITLE_CHARACTERS:
        raise Invalid(
            "invalid_title",
            _("A board's title has 1 to %(most)s characters.") % {"most": MOST_TITLE_CHARACTERS},
            next_step=_("Choose another title."),
            field="title",
        )
    return title
