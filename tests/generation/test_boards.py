"""Favourites and boards: kept, shown, taken along and forgotten with what is on them."""

from __future__ import annotations

import json
import re
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.caller import Caller
from accounts.models import Visitor, Workspace
from accounts.roles import BY_ROLE, Role
from billing import ledger
from catalog.models import Model
from generation.boards import keeping, workspace_data
from generation.boards.models import Board, BoardClip
from generation.models import Generation
from generation.settlement import deletion
from tests.accounts import factories as accounts
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_library_search import found
from tests.generation.test_pages import finished


@pytest.fixture
def fox(toy: Model, alice: Visitor) -> Generation:
    return finished(alice, prompt="a red fox")


@pytest.fixture
def boat(toy: Model, alice: Visitor) -> Generation:
    return finished(alice, prompt="a blue boat")


@pytest.fixture
def browser(alice: Visitor, client_of: ClientOf) -> Client:
    return client_of(alice)


def keep(browser: Client, *clips: Generation, **pressed: str) -> str:
    answer = browser.post("/history/boards/keep/", {"clip": [str(clip.id) for clip in clips], **pressed})
    assert answer.status_code == 302, answer.text
    return answer["Location"].partition("?")[2]


def test_the_heart_keeps_a_clip_among_the_favourites(fox: Generation, boat: Generation, browser: Client) -> None:
    browser.post(f"/generations/{fox.id}/favourite/", {"to": "on"})
    assert found(browser, "favourites=1") == ["a red fox"]
    assert 'aria-pressed="true"' in browser.get(f"/generations/{fox.id}/").text
    browser.post(f"/generations/{fox.id}/favourite/", {"to": "off"})
    assert found(browser, "favourites=1") == []
    assert "No favourites yet." in browser.get("/history/?favourites=1").text


def test_chosen_clips_become_favourites_at_once(fox: Generation, boat: Generation, browser: Client) -> None:
    assert found(browser, keep(browser, fox, boat, favourite="")) == ["a blue boat", "a red fox"]
    assert found(browser, keep(browser, boat, unfavourite="")) == ["a red fox"]


def test_a_board_is_begun_filled_renamed_and_deleted(fox: Generation, boat: Generation, browser: Client) -> None:
    on_board = keep(browser, fox, title="  Winter   ads ")
    board = Board.objects.get()
    assert board.title == "Winter ads"
    assert found(browser, on_board) == ["a red fox"]
    assert found(browser, keep(browser, fox, boat, add=str(board.id))) == ["a blue boat", "a red fox"]
    assert found(browser, on_board + "&q=boat") == ["a blue boat"]
    assert (
        f'<a href="/history/?board={board.id}" dir="auto">Winter ads</a>' in browser.get(f"/generations/{fox.id}/").text
    )
    assert found(browser, keep(browser, fox, remove=str(board.id))) == ["a blue boat"]
    browser.post(f"/history/boards/{board.id}/rename/", {"title": "Spring"})
    assert ">Spring</a>" in browser.get("/history/").text
    browser.post(f"/history/boards/{board.id}/delete/")
    assert not Board.objects.exists()
    assert found(browser, "") == ["a blue boat", "a red fox"]


def test_the_page_of_boards_offers_what_can_be_done(fox: Generation, boat: Generation, browser: Client) -> None:
    keep(browser, fox, title="Winter")
    board = Board.objects.get()
    page = browser.get("/history/boards/", {"clip": [str(fox.id)]}).text
    assert f'name="remove" value="{board.id}"' in page
    assert f'name="add" value="{board.id}"' not in page
    assert 'name="unfavourite"' not in page
    page = browser.get("/history/boards/", {"clip": [str(fox.id), str(boat.id)]}).text
    assert f'name="remove" value="{board.id}"' in page
    assert f'name="add" value="{board.id}"' in page
    assert 'formaction="/history/boards/"' in browser.get("/history/").text


@pytest.mark.parametrize("title", ["", " \t ", "\x00", "x" * 61])
def test_a_title_that_says_nothing_or_too_much_is_refused(fox: Generation, browser: Client, title: str) -> None:
    answer = browser.post("/history/boards/keep/", {"clip": [str(fox.id)], "title": title})
    assert answer.status_code == 422
    assert not Board.objects.exists()


def test_boards_and_their_clips_have_limits(
    fox: Generation, boat: Generation, alice: Visitor, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MOST_BOARDS", 1)
    monkeypatch.setattr(keeping, "MOST_CLIPS", 1)
    keep(browser, fox, title="Winter")
    sent = {"clip": [str(boat.id)]}
    assert browser.post("/history/boards/keep/", {**sent, "title": "Another"}).status_code == 409
    assert browser.post("/history/boards/keep/", {**sent, "add": str(Board.objects.get().id)}).status_code == 409
    assert BoardClip.objects.count() == 1


def test_another_s_boards_and_clips_are_not_there(
    fox: Generation, browser: Client, bob: Visitor, client_of: ClientOf
) -> None:
    keep(browser, fox, title="Winter")
    board, theirs = Board.objects.get(), finished(bob)
    stranger = client_of(bob)
    assert stranger.get(f"/history/?board={board.id}").status_code == 404
    assert stranger.get(f"/history/?board={uuid4()}").status_code == 404
    assert stranger.post("/history/boards/keep/", {"clip": [str(theirs.id)], "add": str(board.id)}).status_code == 404
    assert stranger.post("/history/boards/keep/", {"clip": [str(fox.id)], "title": "Mine"}).status_code == 404
    assert stranger.post("/history/boards/keep/", {"clip": [str(theirs.id)], "add": "x"}).status_code == 404
    assert stranger.post(f"/generations/{fox.id}/favourite/").status_code == 404
    assert stranger.post(f"/history/boards/{board.id}/delete/").status_code == 404


def test_a_deleted_clip_is_on_no_board(fox: Generation, browser: Client) -> None:
    keep(browser, fox, title="Winter")
    deletion.delete(fox)
    assert not BoardClip.objects.exists()


def test_boards_move_with_their_workspace_are_taken_along_and_erased(
    fox: Generation, boat: Generation, alice: Visitor, bob: Visitor, browser: Client
) -> None:
    keep(browser, fox, boat, title="Winter")
    workspace_data.move(source=alice.workspace, into=bob.workspace)
    Generation.objects.update(workspace=bob.workspace)
    (file,) = workspace_data.export(bob.workspace, reader=Caller(bob.workspace, BY_ROLE[Role.OWNER]))
    assert isinstance(file.content, str)
    (told,) = json.loads(file.content)
    assert (told["title"], told["clips"]) == ("Winter", [str(fox.id), str(boat.id)])
    workspace_data.erase(bob.workspace)
    assert not Board.objects.exists()


def test_nobody_sees_another_s_private_clip_on_the_team_s_board(toy: Model, db: None) -> None:
    alice, bob = accounts.person("alice@example.org"), accounts.person("bob@example.org")
    studio = accounts.team(bob, member=alice)
    ledger.grant(account=studio.id, reference="test", amount=100, kind=ledger.LotKind.PACK)
    secret, open_one = factories.submitted(studio, prompt="a secret"), factories.submitted(studio, prompt="a boat")
    Generation.objects.filter(id=secret.id).update(is_private=True, made_by=bob)
    keeping.begin(studio, title="Ours", clips=[secret, open_one])
    on_board = f"board={Board.objects.get().id}"
    assert found(accounts.browser_of(alice, studio), on_board) == ["a boat"]
    assert found(accounts.browser_of(bob, studio), on_board) == ["a boat", "a secret"]


def test_a_board_costs_as_much_however_much_there_is(fox: Generation, alice: Visitor, browser: Client) -> None:
    on_board, costs = keep(browser, fox, title="Winter"), []
    for number in range(2):
        browser.get(f"/history/?{on_board}")
        with CaptureQueriesContext(connection) as queries:
            browser.get(f"/history/?{on_board}")
        costs.append(len(queries))
        clip = finished(alice, prompt=f"clip {number}")
        keep(browser, clip, add=str(Board.objects.get(title="Winter").id))
        keep(browser, clip, title=f"Board {number}")
    assert costs[0] == costs[1]


def test_the_release_before_erases_workspaces_that_have_boards(fox: Generation, browser: Client) -> None:
    """It knows no boards, so the database itself takes them along."""
    keep(browser, fox, title="Winter")
    empty = Workspace.objects.create(kind=Workspace.Kind.VISITOR)
    Board.objects.update(workspace=empty)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_workspace WHERE id = %s", [empty.id])
    assert not Board.objects.exists()
    assert not BoardClip.objects.exists()


def offered(browser: Client, board: Board, query: str = "") -> list[str]:
    """Prompts of the clips that may be put on the board, the newest first."""
    page = browser.get(f"/history/boards/{board.id}/clips/?{query}").text
    return re.findall(r'<span class="caption" dir="auto">(.*?)</span>', page)


def test_an_empty_board_is_begun_and_filled_from_the_library(
    fox: Generation, boat: Generation, browser: Client
) -> None:
    assert "New board" in browser.get("/history/").text
    answer = browser.post("/history/boards/new/", {"title": "Winter"})
    board = Board.objects.get()
    assert answer["Location"] == f"/history/boards/{board.id}/clips/"
    empty = browser.get(f"/history/?board={board.id}").text
    assert "Nothing on this board yet." in empty
    assert f'href="/history/boards/{board.id}/clips/"' in empty
    assert offered(browser, board) == ["a blue boat", "a red fox"]
    assert found(browser, keep(browser, fox, boat, add=str(board.id))) == ["a blue boat", "a red fox"]
    assert "Every clip of yours is on this board." in browser.get(answer["Location"]).text


def test_what_is_on_the_board_is_not_offered_again_and_the_rest_is_searched(
    fox: Generation, boat: Generation, alice: Visitor, browser: Client
) -> None:
    finished(alice, prompt="a green boat")
    keeping.set_favourite([boat], is_favourite=True)
    keep(browser, fox, title="Winter")
    board = Board.objects.get()
    keep(browser, fox, boat, title="Another")
    assert offered(browser, board) == ["a green boat", "a blue boat"]
    assert offered(browser, board, "q=green") == ["a green boat"]
    assert offered(browser, board, "favourites=1") == ["a blue boat"]
    assert "No clip matches." in browser.get(f"/history/boards/{board.id}/clips/?q=fox").text
    assert browser.get(f"/history/boards/{board.id}/clips/?before=x").status_code == 404


def test_a_board_s_page_bears_its_title(fox: Generation, browser: Client) -> None:
    page = browser.get(f"/history/?{keep(browser, fox, title='Winter')}").text
    assert '<h1 dir="auto">Winter</h1>' in page
    assert ">Add clips</a>" in page
