"""The library: what a workspace has made, all of it or what is searched for, its favourites or one board."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from accounts import tenancy
from accounts.roles import Action
from catalog.models import Model
from generation.api import listing
from generation.boards.models import Board
from generation.pages.search import PAGE, STATES, Search, id_in


@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """The page of all that the caller sees here, by keyset: page 1,000 costs what page 1 does."""
    caller = tenancy.caller_for(request, Action.READ_CLIPS)
    last = id_in(request.GET.get("before", ""))
    search = Search.from_query(request.GET)
    boards = list(Board.objects.of(caller.workspace))
    board = next((board for board in boards if str(board.id) == search.board), None)
    if search.board and board is None:
        raise Http404
    clips = listing.page(
        caller,
        limit=PAGE + 1,
        after=last,
        is_ascending=search.is_oldest_first,
        only=search.condition,
        words=search.words,
    )
    context = {
        "boards": boards,
        "board": board,
        "clips": clips[:PAGE],
        "further": clips[PAGE - 1].id if len(clips) > PAGE else None,
        "search": search,
        "states": _states(search),
        "grid_query": replace(search, is_large=False).query,
        "large_query": replace(search, is_large=True).query,
        "models": Model.objects.enabled().order_by("position", "slug").only("slug", "name"),
    }
    return render(request, "generation/history.html", context)


def _states(search: Search) -> list[dict[str, Any]]:
    """The states as chips: their words, where each leads within what is searched, and whether it is chosen."""
    every = {"": gettext("Any state"), **{name: words for name, (words, _) in STATES.items()}}
    return [
        {"words": words, "query": replace(search, state=name).query, "is_chosen": name == search.state}
        for name, words in every.items()
    ]
