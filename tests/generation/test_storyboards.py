"""A storyboard: scenes that go on from one another, made for one price, and what becomes of them when one fails."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.models import Membership, Visitor
from accounts.roles import Role
from billing import ledger
from catalog.models import Model
from generation.models import AWAITS_ANOTHER, Generation, State
from generation.moderation import gate
from generation.moderation.models import RefusalCount
from generation.scheduling import dispatch, wait
from generation.settlement import settle
from generation.storyboards.models import Scene, Sequel, Storyboard
from generation.submission import scene_renders
from generation.submission.scene_cards import ask_of
from gpu_worker.contract import Outcome
from tests.accounts import factories as people
from tests.billing.books import LedgerClock
from tests.billing.conftest import ledger_clock
from tests.generation import factories
from tests.generation.conftest import ClientOf

__all__ = ["ledger_clock"]
pytestmark = pytest.mark.django_db
PRICE = 11
"""Credits of one scene."""


@pytest.fixture
def model(db: None) -> Model:
    return factories.model(modes=["text", "image"])


@pytest.fixture
def maker(model: Model) -> Visitor:
    made = factories.visitor()
    ledger.grant(account=made.workspace_id, reference=f"bought:{made.id}", amount=200, kind=ledger.LotKind.PACK)
    return made


@pytest.fixture
def browser(maker: Visitor, client_of: ClientOf) -> Client:
    browser = client_of(maker)
    browser.get("/billing/")  # the day's allowance is there
    return browser


@pytest.fixture
def board(browser: Client) -> Storyboard:
    """Three scenes, none of them rendered."""
    browser.post("/storyboards/new/", {"title": "A day"})
    board = Storyboard.objects.get()
    for _ in range(2):
        change(browser, board, add="1")
    write(browser, board, "a fox wakes", "it runs", "it sleeps")
    return board


def change(browser: Client, board: Storyboard, **said: str) -> Any:
    return browser.post(f"/storyboards/{board.id}/change/", said)


def write(browser: Client, board: Storyboard, *prompts: str, **said: str) -> Any:
    scenes = board.scenes.all()
    return change(browser, board, **{f"prompt-{s.id}": p for s, p in zip(scenes, prompts, strict=False)}, **said)


def clips(board: Storyboard) -> list[Generation]:
    return [scene.clip for scene in Scene.objects.filter(storyboard=board).select_related("clip") if scene.clip]


def end(clip: Generation, outcome: Outcome = Outcome.SUCCEEDED) -> None:
    dispatch.fill_window()
    clip.refresh_from_db()
    assert settle.start(generation_id=clip.id, attempt=clip.attempt, worker="gpu-test")
    factories.deliver_clip(clip)
    settle.settle(factories.report(clip, outcome))


def states(board: Storyboard) -> list[str]:
    return [clip.state for clip in clips(board)]


def held(maker: Visitor) -> int:
    return ledger.balance(account=maker.workspace_id).held


def test_all_scenes_are_held_for_at_once_and_made_one_after_the_other(
    browser: Client, board: Storyboard, maker: Visitor
) -> None:
    page = browser.get(f"/storyboards/{board.id}/").text
    assert f"Render all 3 scenes · {3 * PRICE} credits" in page
    assert change(browser, board, render="all").status_code == 302
    assert held(maker) == 3 * PRICE
    dispatch.fill_window()
    assert states(board) == [State.DISPATCHED, State.QUEUED, State.QUEUED]
    for number in range(3):
        end(clips(board)[number])
    assert states(board) == [State.SUCCEEDED] * 3
    first, second, third = clips(board)
    assert (first.mode, second.mode, third.mode) == ("text", "image", "image")
    assert second.inputs == {"image": first.clip.key}
    assert third.inputs == {"image": second.clip.key}
    assert [ledger.receipt(reference=clip.id).captured for clip in clips(board)] == [PRICE] * 3
    assert not Sequel.objects.exists()


def test_a_scene_that_waits_for_another_says_so_and_is_in_nobodys_way(browser: Client, board: Storyboard) -> None:
    change(browser, board, render="all")
    second = clips(board)[1]
    assert (second.needs_bytes, second.awaits_another) == (AWAITS_ANOTHER, True)
    assert wait.wait_of(second).reason == wait.AWAITS_ANOTHER_SCENE
    assert str(wait.AWAITS_ANOTHER_SCENE) in browser.get(f"/generations/{second.id}/").text
    end(clips(board)[0])
    second.refresh_from_db()
    assert second.needs_bytes != AWAITS_ANOTHER


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.BLOCKED])
def test_after_a_scene_that_fails_those_behind_it_are_called_off_and_cost_nothing(
    browser: Client, board: Storyboard, maker: Visitor, outcome: Outcome
) -> None:
    change(browser, board, render="all")
    end(clips(board)[0])
    end(clips(board)[1], outcome)
    assert states(board)[2] == State.CANCELLED
    assert held(maker) == 0
    assert ledger.receipt(reference=clips(board)[2].id).released == PRICE


def lapse_when_held(browser: Client, board: Storyboard, maker: Visitor, clock: LedgerClock) -> int:
    """Render all scenes from credits that lapse meanwhile. Returns the credits that are left besides."""
    before = ledger.balance(account=maker.workspace_id).available
    ledger.grant(
        account=maker.workspace_id,
        reference="lapses",
        amount=3 * PRICE,
        kind=ledger.LotKind.ADJUSTMENT,
        priority=0,
        expires_at=clock.now + timedelta(hours=1),
    )
    change(browser, board, render="all")
    clock.advance(timedelta(hours=1))
    return before


@pytest.mark.parametrize("is_lost", [False, True], ids=["reported", "worker lost"])
def test_what_lapsed_while_scenes_waited_for_one_that_we_fail_to_make_comes_anew(
    browser: Client,
    board: Storyboard,
    maker: Visitor,
    ledger_clock: LedgerClock,
    settings: Settings,
    is_lost: bool,
) -> None:
    settings.MAX_ATTEMPTS = 1
    left = lapse_when_held(browser, board, maker, ledger_clock)
    if is_lost:
        dispatch.fill_window()
        assert factories.lose_worker(clips(board)[0], 1)
    else:
        end(clips(board)[0], Outcome.FAILED)
    assert states(board) == [State.FAILED, State.CANCELLED, State.CANCELLED]
    assert ledger.balance(account=maker.workspace_id).available == left + 3 * PRICE


def test_what_lapsed_while_scenes_waited_is_gone_when_somebody_calls_them_off(
    browser: Client, board: Storyboard, maker: Visitor, ledger_clock: LedgerClock
) -> None:
    left = lapse_when_held(browser, board, maker, ledger_clock)
    settle.cancel(clips(board)[0])
    assert states(board) == [State.CANCELLED] * 3
    assert ledger.balance(account=maker.workspace_id).available == left


@pytest.mark.parametrize("way", ["cancelled", "made", "failed", "worker lost"])
def test_the_scenes_behind_are_locked_before_the_account_so_that_no_two_ends_wait_for_each_other(
    browser: Client, board: Storyboard, settings: Settings, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    settings.MAX_ATTEMPTS = 1
    change(browser, board, render="all")
    first = clips(board)[0]
    if way == "worker lost":
        dispatch.fill_window()
    locked_before = list[int]()
    with CaptureQueriesContext(connection) as asked, monkeypatch.context() as patch:

        def noting(settling: Any) -> Any:
            def settle_hold(**said: Any) -> Any:
                locks = [each["sql"] for each in asked if "FOR NO KEY UPDATE" in each["sql"]]
                locked_before.append(sum('"storyboards_sequel"' in sql for sql in locks))
                return settling(**said)

            return settle_hold

        patch.setattr(ledger, "capture", noting(ledger.capture))
        patch.setattr(ledger, "release", noting(ledger.release))
        if way == "cancelled":
            settle.cancel(first)
        elif way == "worker lost":
            assert factories.lose_worker(first, 1)
        else:
            end(first, Outcome.SUCCEEDED if way == "made" else Outcome.FAILED)
    assert locked_before[0] == 3, "the two behind it, and a look for more"


def test_cancelling_one_calls_off_those_behind_it(browser: Client, board: Storyboard, maker: Visitor) -> None:
    change(browser, board, render="all")
    settle.cancel(clips(board)[0])
    assert states(board) == [State.CANCELLED] * 3
    assert (held(maker), Sequel.objects.count()) == (0, 0)
    assert "Render all 3 scenes" in browser.get(f"/storyboards/{board.id}/").text


def test_one_that_waits_is_cancelled_by_itself_with_those_behind_it(
    browser: Client, board: Storyboard, maker: Visitor
) -> None:
    change(browser, board, render="all")
    settle.cancel(clips(board)[1])
    assert states(board) == [State.QUEUED, State.CANCELLED, State.CANCELLED]
    end(clips(board)[0])
    assert states(board)[1:] == [State.CANCELLED] * 2
    assert held(maker) == 0


def test_too_few_credits_for_all_of_them_make_none(client_of: ClientOf, db: None) -> None:
    factories.model(modes=["text", "image"], prices={"standard": {"360p": 30_000}})
    browser = client_of(factories.visitor())
    browser.post("/storyboards/new/", {"title": "A day"})
    board = Storyboard.objects.get()
    change(browser, board, add="1")
    answer = write(browser, board, "one", "two", render="all")
    assert answer.status_code == 402
    assert "one</textarea>" in answer.text
    assert not Generation.objects.exists()


def test_sent_twice_the_scenes_are_made_once(browser: Client, board: Storyboard, maker: Visitor) -> None:
    for _ in range(2):
        change(browser, board, render="all", sending="one")
    assert Generation.objects.count() == 3
    assert held(maker) == 3 * PRICE


def test_of_two_tabs_that_render_at_once_one_pays(
    browser: Client, board: Storyboard, maker: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(*asked: Any) -> Any:
        monkeypatch.undo()
        assert change(browser, board, render="all", sending="other tab").status_code == 302
        return ask_of(*asked)

    monkeypatch.setattr(scene_renders, "ask_of", meanwhile)
    answer = change(browser, board, render="all", sending="this tab")
    assert (answer.status_code, "just changed or rendered by another request" in answer.text) == (409, True)
    assert (Generation.objects.count(), held(maker)) == (3, 3 * PRICE)


def test_a_storyboard_that_is_deleted_while_it_is_rendered_costs_nothing(
    browser: Client, board: Storyboard, maker: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(*asked: Any) -> Any:
        Storyboard.objects.all().delete()
        return ask_of(*asked)

    monkeypatch.setattr(scene_renders, "ask_of", meanwhile)
    assert change(browser, board, render="all").status_code == 404
    assert (Generation.objects.count(), held(maker)) == (0, 0)


def test_words_that_are_refused_are_counted_and_judged_before_anything_is_locked(
    browser: Client, board: Storyboard, maker: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guard model may be asked, over the network, and a count of what was refused is not to be undone with it."""
    judged_within: list[int] = []
    judge = gate.judge

    def noting(*said: Any, **named: Any) -> Any:
        judged_within.append(len(connection.savepoint_ids))
        return judge(*said, **named)

    monkeypatch.setattr(gate, "judge", noting)
    write(browser, board, "a fox wakes", "hardcore porn", "it sleeps")
    outside = len(connection.savepoint_ids)
    answer = change(browser, board, render="all")
    assert (answer.status_code, Generation.objects.count()) == (422, 0)
    assert set(judged_within) == {outside}
    assert RefusalCount.objects.get(workspace=maker.workspace).count == 1


@pytest.fixture
def team(model: Model) -> tuple[Client, Client]:
    """Two members of one workspace."""
    studio = people.team(owner := people.person("owner@example.org"), plan="house")
    users = [people.person(f"{name}@example.org") for name in ("one", "other")]
    for user in users:
        Membership.objects.create(workspace=studio, user=user, role=Role.MEMBER)
    ledger.grant(account=studio.id, reference=f"bought:{owner.id}", amount=200, kind=ledger.LotKind.PACK)
    one, other = (people.browser_of(user, studio) for user in users)
    return one, other


def test_scenes_that_another_member_renders_privately_are_not_paid_for_again(team: tuple[Client, Client]) -> None:
    one, other = team
    one.post("/storyboards/new/", {"title": "A day"})
    board = Storyboard.objects.get()
    change(one, board, add="1")
    write(one, board, "a fox wakes", "it runs", render="all")
    Generation.objects.update(is_private=True)
    refused = change(other, board, render="all")
    assert (refused.status_code, "These scenes are being made" in refused.text) == (409, True)
    for clip in clips(board):
        end(clip)
    page = unescape(other.get(f"/storyboards/{board.id}/").text)
    assert page.count("Another member's private clip") == 2
    refused = change(other, board, render="all")
    assert (refused.status_code, "Scene 1 has a clip already" in unescape(refused.text)) == (409, True)
    refused = change(other, board, render=f"only:{board.scenes.all()[1].id}")
    assert (refused.status_code, "Scene 1 is another member's private clip" in unescape(refused.text)) == (409, True)
    assert Generation.objects.count() == 2
    change(other, board, render=f"since:{board.scenes.all()[0].id}")
    assert Generation.objects.count() == 4, "that is asked for by name"


def test_a_form_that_is_sent_again_with_other_words_is_no_repetition(browser: Client, board: Storyboard) -> None:
    change(browser, board, render="all", sending="one")
    for clip in clips(board):
        end(clip)
    answer = write(browser, board, "a crow wakes", render="all", sending="one")
    assert (answer.status_code, "already submitted with different contents" in answer.text) == (409, True)
    assert Generation.objects.count() == 3


def test_a_price_that_has_risen_is_shown_before_anything_is_made(browser: Client, board: Storyboard) -> None:
    answer = change(browser, board, render="all", **{"credits-all": str(3 * PRICE - 1)})
    assert (answer.status_code, "The price has changed" in answer.text) == (409, True)
    assert not Generation.objects.exists()


def made(browser: Client, board: Storyboard) -> None:
    change(browser, board, render="all")
    for number in range(3):
        end(clips(board)[number])


def test_a_changed_prompt_renders_that_scene_and_those_after_it(browser: Client, board: Storyboard) -> None:
    made(browser, board)
    first = clips(board)[0]
    assert "All scenes are rendered" in browser.get(f"/storyboards/{board.id}/").text
    write(browser, board, "a fox wakes", "it swims")
    page = browser.get(f"/storyboards/{board.id}/").text
    assert "The prompt has changed" in page
    assert f"Render the last 2 scenes · {2 * PRICE} credits" in page
    change(browser, board, render="all")
    again = clips(board)
    assert again[0] == first
    assert again[1].inputs == {"image": first.clip.key}
    assert [clip.is_open for clip in again] == [False, True, True]


def test_one_scene_is_rendered_again_and_the_next_one_says_that_it_no_longer_follows(
    browser: Client, board: Storyboard
) -> None:
    made(browser, board)
    first, second, third = clips(board)
    change(browser, board, render=f"only:{board.scenes.all()[1].id}")
    now = clips(board)
    assert (now[0], now[2]) == (first, third)
    assert now[1] != second
    end(now[1])
    assert "The scene before it has changed" in browser.get(f"/storyboards/{board.id}/").text


def test_one_scene_is_rendered_again_with_those_after_it(browser: Client, board: Storyboard) -> None:
    made(browser, board)
    before = clips(board)
    change(browser, board, render=f"from:{board.scenes.all()[1].id}")
    assert [a == b for a, b in zip(before, clips(board), strict=True)] == [True, False, False]


def test_scenes_change_places_and_leave_and_nothing_typed_is_lost(browser: Client, board: Storyboard) -> None:
    first, _, third = board.scenes.all()
    write(browser, board, "a", "b", "c", down=str(first.id))
    assert [scene.prompt for scene in board.scenes.all()] == ["b", "a", "c"]
    write(browser, board, "b", "a", "C", up=str(third.id))
    assert [scene.prompt for scene in board.scenes.all()] == ["b", "C", "a"]
    change(browser, board, remove=str(third.id))
    assert [(s.prompt, s.position) for s in board.scenes.all()] == [("b", 1), ("a", 2)]


def test_an_empty_scene_is_named_by_its_number(browser: Client, board: Storyboard) -> None:
    answer = write(browser, board, "a fox", "", render="all")
    assert answer.status_code == 422
    assert "Scene 2: The prompt is empty" in answer.text
    assert not Generation.objects.exists()


def test_a_board_of_somebody_else_is_not_there(board: Storyboard, client_of: ClientOf) -> None:
    stranger = client_of(factories.visitor(credits=50))
    for path in ("", "film.mp4"):
        assert stranger.get(f"/storyboards/{board.id}/{path}").status_code == 404
    assert change(stranger, board, add="1").status_code == 404


def test_the_list_shows_first_pictures_and_how_far_each_board_has_come(browser: Client, board: Storyboard) -> None:
    assert "Not rendered yet" in browser.get("/storyboards/").text
    change(browser, board, render="all")
    end(clips(board)[0])
    page = browser.get("/storyboards/").text
    assert f"/generations/{clips(board)[0].id}/poster" in page
    assert "3 scenes · 1 rendered" in page
    browser.post("/storyboards/new/", {"title": "Another day"})
    with CaptureQueriesContext(connection) as asked:
        browser.get("/storyboards/")
    of_clips = [each for each in asked if 'FROM "generation_generation"' in each["sql"]]
    assert len(of_clips) == 1, "however many boards there are"


def test_a_model_that_cannot_go_on_from_a_picture_is_not_offered(client_of: ClientOf, db: None) -> None:
    factories.model()
    browser = client_of(factories.visitor(credits=50))
    browser.post("/generations/", {"prompt": "a red circle"})
    assert "no scenes can be made" in browser.get("/storyboards/").text
    assert browser.post("/storyboards/new/", {"title": "A day"}).status_code == 409


def test_the_page_asks_the_same_of_the_database_however_many_scenes_there_are(
    browser: Client, board: Storyboard, django_assert_max_num_queries: Any
) -> None:
    made(browser, board)
    for _ in range(5):
        change(browser, board, add="1")
    with django_assert_max_num_queries(14):
        page = browser.get(f"/storyboards/{board.id}/").text
    assert len(re.findall(r'<li class="scene"', page)) == 8


def test_whoever_may_only_look_is_told_so(db: None) -> None:
    factories.model(modes=["text", "image"])
    owner, viewer = people.person("owner@example.org"), people.person("viewer@example.org")
    studio = people.team(owner, viewer=viewer)
    told = "Your role here can watch storyboards, but not make them."
    page = people.browser_of(viewer, studio).get("/storyboards/").text
    assert told in page
    assert "Nobody in this workspace has made a storyboard yet." in page
    assert told not in people.browser_of(owner, studio).get("/storyboards/").text
