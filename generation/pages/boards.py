"""Clips are made favourites and put on boards; boards are begun, filled, named and deleted."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts import tenancy
from accounts.caller import Caller
from accounts.models import Workspace
from accounts.roles import Action
from generation.access import own_generation
from generation.api import listing
from generation.boards import keeping
from generation.boards.models import Board
from generation.pages.chosen import chosen_clips
from generation.pages.search import PAGE, Search, id_in


@require_POST
def favourite(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    """Make a clip a favourite of its workspace, or no longer: ``to`` is ``off`` or anything else."""
    clip = own_generation(tenancy.caller_for(request, Action.GENERATE), generation_id)
    keeping.set_favourite([clip], is_favourite=request.POST.get("to") != "off")
    return redirect("generation:detail", clip.id)


@require_safe
def choose(request: HttpRequest) -> HttpResponse:
    """The chosen clips once more, with every board that they can be put on and taken off."""
    caller = tenancy.caller_for(request, Action.GENERATE)
    clips = chosen_clips(caller, request.GET, _("Choose 1 to %(most)s clips to put on a board."))
    boards = Board.objects.of(caller.workspace).annotate(
        held=Count("places", filter=Q(places__generation__in=[clip.id for clip in clips]))
    )
    favourites = sum(clip.is_favourite for clip in clips)
    return render(request, "generation/boards.html", {"clips": clips, "boards": boards, "favourites": favourites})


@require_POST
def keep(request: HttpRequest) -> HttpResponse:
    """Do with the chosen clips what was pressed: ``favourite`` or ``unfavourite``, ``add`` or ``remove`` with a board,
    or else begin a board called ``title`` with them."""
    caller = tenancy.caller_for(request, Action.GENERATE)
    clips, sent = chosen_clips(caller, request.POST, _("Choose 1 to %(most)s clips to put on a board.")), request.POST
    if "favourite" in sent or "unfavourite" in sent:
        keeping.set_favourite(clips, is_favourite="favourite" in sent)
        return redirect(f"{reverse('generation:history')}?favourites=1")
    if "remove" in sent:
        board = _own_board(caller, sent["remove"])
        keeping.remove(board, clips)
    elif "add" in sent:
        board = _own_board(caller, sent["add"])
        keeping.add(board, clips)
    else:
        board = keeping.begin(_workspace(caller), title=sent.get("title", ""), clips=clips)
    return redirect(_address(board))


@require_safe
def pick(request: HttpRequest, board_id: UUID) -> HttpResponse:
    """The library without what is on the board already, to tick what is put on it. ``keep`` does so."""
    caller = tenancy.caller_for(request, Action.GENERATE)
    board = _own_board(caller, board_id)
    search = replace(Search.from_query(request.GET), board="")
    last = id_in(request.GET.get("before", ""))
    only = search.condition & ~Q(board_places__board=board)
    clips = listing.page(caller, limit=PAGE + 1, after=last, only=only, words=search.words)
    context = {
        "board": board,
        "clips": clips[:PAGE],
        "further": clips[PAGE - 1].id if len(clips) > PAGE else None,
        "search": search,
    }
    return render(request, "generation/board_clips.html", context)


@require_POST
def begin(request: HttpRequest) -> HttpResponse:
    """Begin an empty board called ``title``, and go on to what may be put on it."""
    caller = tenancy.caller_for(request, Action.GENERATE)
    board = keeping.begin(_workspace(caller), title=request.POST.get("title", ""))
    return redirect("generation:pick-clips", board.id)


@require_POST
def rename(request: HttpRequest, board_id: UUID) -> HttpResponse:
    board = _own_board(tenancy.caller_for(request, Action.GENERATE), board_id)
    keeping.rename(board, title=request.POST.get("title", ""))
    return redirect(_address(board))


@require_POST
def delete(request: HttpRequest, board_id: UUID) -> HttpResponse:
    board = _own_board(tenancy.caller_for(request, Action.GENERATE), board_id)
    keeping.delete(board)
    messages.success(
        request, _("The board %(title)s is deleted. Its clips stay in your library.") % {"title": board.title}
    )
    return redirect("generation:history")


def _own_board(caller: Caller, board_id: UUID | str) -> Board:
    try:
        return get_object_or_404(Board.objects.of(caller.workspace), id=UUID(str(board_id)))
    except ValueError:
        raise Http404 from None


def _workspace(caller: Caller) -> Workspace:
    """The workspace that the clips are in: whoever has some has one."""
    if caller.workspace is None:
        raise Http404
    return caller.workspace


def _address(board: Board) -> str:
    return f"{reverse('generation:history')}?{urlencode({'board': board.id})}"
