"""Storyboards and drafts by an agent: asked for above a price, paid once, fetched as one film."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from mcp_types import ResourceLink

from accounts.models import Workspace
from generation.models import Generation
from generation.settlement import settle
from tests.accounts import factories as people
from tests.agents.conftest import call, finished, key_of, words
from tests.generation import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def board(key: str) -> dict[str, Any]:
    scenes = [{"prompt": "a fox wakes"}, {"prompt": "it runs"}]
    made = call(key, "write_storyboard", title="A day", scenes=scenes)
    assert not made.is_error, words(made)
    said: dict[str, Any] = made.structured_content
    return said


def make(generation: Generation) -> None:
    factories.deliver_clip(generation)
    settle.settle(factories.report(generation))


def test_a_storyboard_is_rendered_once_its_price_is_repeated_and_paid_once(
    studio: Workspace, key: str, board: dict[str, Any]
) -> None:
    price = board["credits_to_render"]
    asked = {"client_request_id": str(uuid4()), "storyboard_id": board["id"]}
    refused = call(key, "render_storyboard", query=f"?confirm_above={price - 1}", **asked)
    assert (refused.is_error, f"confirmed_credits={price}." in words(refused)) == (True, True), words(refused)
    assert "call render_storyboard again" in words(refused)
    assert not Generation.objects.of(studio).exists()
    first, again = (
        call(key, "render_storyboard", query="?confirm_above=0", confirmed_credits=price, **asked).structured_content
        for _ in range(2)
    )
    assert [scene["status"] for scene in first["scenes"]] == ["queued"] * 2
    assert first == again
    assert Generation.objects.of(studio).count() == 2


def test_its_film_is_linked_to_once_a_scene_is_made(studio: Workspace, key: str, board: dict[str, Any]) -> None:
    asked = {"storyboard_id": board["id"]}
    assert "No scene is made" in words(call(key, "download_storyboard", **asked))
    rendered = call(key, "render_storyboard", client_request_id="1", **asked).structured_content
    make(Generation.objects.get(id=rendered["scenes"][0]["video_id"]))
    (link,) = call(key, "download_storyboard", **asked).content
    assert isinstance(link, ResourceLink)
    assert str(link.uri).endswith(f"/v1/storyboards/{board['id']}/content")
    shown = call(key, "get_storyboard", **asked).structured_content
    assert [scene["status"] for scene in shown["scenes"]] == ["completed", "queued"]


def test_scenes_are_changed_and_what_is_left_out_stays(key: str, board: dict[str, Any]) -> None:
    first, second = board["scenes"]
    scenes = [{"id": first["id"]}, {"prompt": "a crow"}, {"id": second["id"], "prompt": "it sleeps"}]
    changed = call(key, "write_storyboard", storyboard_id=board["id"], scenes=scenes).structured_content
    assert [scene["prompt"] for scene in changed["scenes"]] == ["a fox wakes", "a crow", "it sleeps"]
    assert changed["title"] == "A day"
    (listed,) = call(key, "list_storyboards").structured_content["result"]
    assert (listed["id"], listed["num_scenes"]) == (board["id"], 3)


def test_a_key_of_another_workspace_finds_none_and_a_limit_holds(studio: Workspace, board: dict[str, Any]) -> None:
    stranger = key_of(people.team(people.person("stranger@example.org"), "Strangers"))
    for tool in ("get_storyboard", "render_storyboard", "write_storyboard", "download_storyboard"):
        said = {"client_request_id": "1"} if tool == "render_storyboard" else {}
        refused = call(stranger, tool, storyboard_id=board["id"], **said)
        assert (refused.is_error, "isn't yours" in words(refused)) == (True, True), (tool, words(refused))
    assert call(stranger, "list_storyboards").structured_content["result"] == []
    capped = key_of(studio, daily_cap_credits=1)
    refused = call(capped, "render_storyboard", client_request_id="1", storyboard_id=board["id"])
    assert (refused.is_error, "left today" in words(refused)) == (True, True), words(refused)
    assert not Generation.objects.of(studio).exists()


def test_a_draft_is_finished_once_its_price_is_repeated(studio: Workspace, key: str) -> None:
    said: dict[str, Any] = {"prompt": "a fox", "draft": True}
    price = call(key, "quote", **said).structured_content["to_finish"]
    draft = call(key, "generate", client_request_id="1", **said).structured_content
    make(Generation.objects.get(id=draft["id"]))
    assert call(key, "get", video_id=draft["id"]).structured_content["draft"]["credits_to_finish"] == price
    refused = call(key, "finish", query="?confirm_above=0", video_id=draft["id"])
    assert "call finish again with confirmed_credits" in words(refused)
    whole, again = (
        call(key, "finish", query="?confirm_above=0", video_id=draft["id"], confirmed_credits=price) for _ in range(2)
    )
    assert whole.structured_content["id"] == again.structured_content["id"] != draft["id"]
    assert whole.structured_content["cost"]["held"] == price
    assert "can't be finished" in words(call(key, "finish", video_id=str(finished(studio).id)))


@pytest.mark.parametrize(
    ("tool", "asked", "says"),
    [
        ("render_storyboard", {"storyboard_id": str(uuid4())}, "client_request_id"),
        ("get_storyboard", {"storyboard_id": "../me"}, "no id of a storyboard"),
        ("write_storyboard", {"scenes": [{"prompt": "a fox"}]}, "title"),
        ("write_storyboard", {"title": "A day", "scenes": [{"words": "a fox"}]}, "words"),
    ],
)
def test_what_cannot_be_is_told_in_words(key: str, tool: str, asked: dict[str, Any], says: str) -> None:
    refused = call(key, tool, **asked)
    assert (refused.is_error, says in words(refused)) == (True, True), words(refused)
