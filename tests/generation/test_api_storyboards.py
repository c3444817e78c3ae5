"""Programs write storyboards, render them for one price, and fetch the film."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import Visitor
from billing import ledger
from generation.models import Generation
from generation.storyboards.models import Storyboard
from tests.generation.conftest import ClientOf
from tests.generation.test_reference import complaints
from tests.generation.test_storyboards import PRICE, browser, end, held, maker, model

__all__ = ["browser", "maker", "model"]
pytestmark = pytest.mark.django_db


def post(client: Client, path: str, key: str = "", **said: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(f"/v1/storyboards{path}", said, content_type="application/json", headers=headers)


def sound(client: Client, answer: Any) -> dict[str, Any]:
    """A storyboard as it is told, which keeps to the contract."""
    assert answer.status_code == 200, answer.content
    said: dict[str, Any] = answer.json()
    assert complaints(client.get("/v1/openapi.json").json(), "Storyboard", said) == []
    return said


@pytest.fixture
def board(browser: Client) -> dict[str, Any]:
    scenes = [{"prompt": "a fox wakes"}, {"prompt": "it runs"}, {"prompt": "it sleeps"}]
    return sound(browser, post(browser, "", title="A day", scenes=scenes))


def clips_of(board: dict[str, Any]) -> list[Generation]:
    return [Generation.objects.get(id=scene["video_id"]) for scene in board["scenes"]]


def test_scenes_are_written_rendered_for_one_price_and_told(
    browser: Client, board: dict[str, Any], maker: Visitor
) -> None:
    assert (board["model"], board["credits_to_render"]) == ("toy", 3 * PRICE)
    assert [scene["why_to_render"] for scene in board["scenes"]] == ["Not rendered yet"] * 3
    rendered = sound(browser, post(browser, f"/{board['id']}/render", max_credits=3 * PRICE))
    assert held(maker) == 3 * PRICE
    assert [scene["status"] for scene in rendered["scenes"]] == ["queued"] * 3
    for clip in clips_of(rendered):
        end(clip)
    made = sound(browser, browser.get(f"/v1/storyboards/{board['id']}"))
    assert [(scene["status"], scene["why_to_render"]) for scene in made["scenes"]] == [("completed", None)] * 3
    assert made["credits_to_render"] == 0
    again = sound(browser, post(browser, f"/{board['id']}/render"))
    assert again["scenes"] == made["scenes"], "nothing has to be rendered"


def test_one_scene_is_rendered_once_more_and_paid_once_however_often_it_is_sent(
    browser: Client, board: dict[str, Any], maker: Visitor
) -> None:
    for clip in clips_of(sound(browser, post(browser, f"/{board['id']}/render"))):
        end(clip)
    last = board["scenes"][2]["id"]
    first, second = (post(browser, f"/{board['id']}/render", key="one", only=last).json() for _ in range(2))
    assert first["scenes"] == second["scenes"]
    assert (Generation.objects.count(), held(maker)) == (4, PRICE)
    refused = post(browser, f"/{board['id']}/render", only=last)
    assert (refused.status_code, refused.json()["code"]) == (409, "in_progress")
    assert post(browser, f"/{board['id']}/render", since="0").status_code == 404
    assert post(browser, f"/{board['id']}/render", only=last, since=last).status_code == 422


def test_of_long_keys_that_begin_alike_each_is_a_request_of_its_own(
    browser: Client, board: dict[str, Any], maker: Visitor
) -> None:
    path, last = f"/{board['id']}/render", board["scenes"][2]["id"]
    for clip in clips_of(sound(browser, post(browser, path))):
        end(clip)
    for number in range(2):
        made = sound(browser, post(browser, path, key="k" * 254 + str(number), only=last))
        end(clips_of(made)[2])
    assert Generation.objects.count() == 5


def test_a_key_stands_for_one_render_whatever_became_of_the_scenes(
    browser: Client, board: dict[str, Any], maker: Visitor
) -> None:
    path, (first, _, last) = f"/{board['id']}/render", [scene["id"] for scene in board["scenes"]]
    for clip in clips_of(sound(browser, post(browser, path, key="all"))):
        end(clip)
    once = post(browser, path, key="last", only=last)
    assert "Idempotent-Replayed" not in once
    post(browser, path[: -len("/render")], scenes=[{"id": first, "prompt": "a crow"}, {"prompt": "new"}, {"id": last}])
    for key, said in (("all", {}), ("last", {"only": last, "max_credits": 0})):
        answer = post(browser, path, key=key, **said)
        assert (answer.status_code, answer.get("Idempotent-Replayed")) == (200, "true"), answer.content
    refused = post(browser, path, key="last", since=last)
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert (Generation.objects.count(), held(maker)) == (4, PRICE)


def test_scenes_are_put_in_another_order_added_and_taken_off(browser: Client, board: dict[str, Any]) -> None:
    first, second, _ = (scene["id"] for scene in board["scenes"])
    scenes = [{"id": second}, {"prompt": "a crow"}, {"id": first, "prompt": "a fox yawns"}]
    changed = sound(browser, post(browser, f"/{board['id']}", title="A night", scenes=scenes, seconds=1))
    assert (changed["title"], changed["seconds"]) == ("A night", 1)
    assert [scene["prompt"] for scene in changed["scenes"]] == ["it runs", "a crow", "a fox yawns"]
    assert [changed["scenes"][at]["id"] for at in (0, 2)] == [second, first]
    assert sound(browser, post(browser, f"/{board['id']}"))["scenes"] == changed["scenes"], "what is left out stays"


CANNOT_BE: tuple[tuple[dict[str, Any], str], ...] = (
    ({"scenes": [{"id": "0"}]}, "no_such_scene"),
    ({"scenes": []}, "invalid_scenes"),
    ({"scenes": [{"prompt": "a fox"}] * 13}, "invalid_scenes"),
    ({"scenes": ["a fox"]}, "invalid_body"),
    ({"scenes": [{"words": "a fox"}]}, "unknown_field"),
    ({"size": "1x1"}, "invalid_size"),
    ({"model": "nobody's"}, "unknown_model"),
    ({"title": " "}, "invalid_title"),
    ({"colour": "red"}, "unknown_field"),
)


def test_what_cannot_be_is_refused_and_changes_nothing(
    browser: Client, board: dict[str, Any], subtests: pytest.Subtests
) -> None:
    for said, code in CANNOT_BE:
        with subtests.test(said=said):
            answer = post(browser, f"/{board['id']}", **said)
            assert (answer.status_code // 100, answer.json()["code"]) == (4, code)
            assert browser.get(f"/v1/storyboards/{board['id']}").json() == board


def test_a_price_above_the_limit_renders_nothing(browser: Client, board: dict[str, Any], maker: Visitor) -> None:
    refused = post(browser, f"/{board['id']}/render", max_credits=2 * PRICE)
    assert (refused.json()["code"], refused.json()["credits"]) == ("costs_more", 3 * PRICE)
    assert (Generation.objects.count(), ledger.balance(account=maker.workspace_id).held) == (0, 0)


def test_the_list_tells_of_each_and_a_deleted_one_is_gone(
    browser: Client, board: dict[str, Any], bob: Visitor, client_of: ClientOf
) -> None:
    (listed,) = browser.get("/v1/storyboards").json()["data"]
    assert (listed["id"], listed["num_scenes"], "scenes" in listed) == (board["id"], 3, False)
    assert complaints(browser.get("/v1/openapi.json").json(), "Storyboard", listed) == []
    assert client_of(bob).get("/v1/storyboards").json()["data"] == []
    film = browser.get(f"/v1/storyboards/{board['id']}/content")
    assert film.json()["code"] in ("not_made", "not_offered")
    assert browser.delete(f"/v1/storyboards/{board['id']}").json()["deleted"] is True
    assert not Storyboard.objects.exists()
    assert browser.get(f"/v1/storyboards/{board['id']}").status_code == 404
