"""Storyboards: against a real site, and the command with what only a rendered one shows."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from loremotion import AsyncClient, Client, Conflict, NotFound
from loremotion.cli import batch
from loremotion.cli.storyboard import read
from loremotion.storyboards import AsyncStoryboards, Storyboards
from tests.test_command import Run, answered, run, signed_in
from tests.test_retries import VIDEO

__all__ = ["answered", "run", "signed_in"]
BOARD: dict[str, Any] = {
    **{"id": "b0a4d000-0000-4000-8000-000000000001", "object": "storyboard", "title": "A day", "model": "toy"},
    **{"size": None, "preset": None, "seconds": None, "created_at": 1800000000, "num_scenes": 1},
    "credits_to_render": 0,
    "scenes": [
        {
            **{"id": "1", "prompt": "a fox wakes", "video_id": VIDEO["id"], "status": "completed"},
            **{"why_to_render": None, "credits": 2},
        }
    ],
}


def test_scenes_are_written_changed_rendered_for_one_price_and_deleted(client: Client) -> None:
    board = client.storyboards.create("A day", ["a fox wakes", "it runs"], seconds=1)
    assert [scene.prompt for scene in board.scenes] == ["a fox wakes", "it runs"]
    assert [scene.why_to_render for scene in board.scenes] == ["Not rendered yet"] * 2
    assert (board.seconds, board.credits_to_render) == (1, sum(scene.credits or 0 for scene in board.scenes))
    first, second = board.scenes
    board = client.storyboards.change(board, title="A night", scenes=[replace(first, prompt="a crow"), "on", second])
    assert [scene.prompt for scene in board.scenes] == ["a crow", "on", "it runs"]
    assert [board.scenes[at].id for at in (0, 2)] == [first.id, second.id]
    with pytest.raises(Conflict, match="max_credits"):
        client.storyboards.render(board, max_credits=1)
    rendered = client.storyboards.render(board, idempotency_key="a-night")
    assert [scene.is_open for scene in rendered.scenes] == [True] * 3
    assert client.storyboards.render(board, idempotency_key="a-night") == rendered
    assert [(each.title, each.scene_count, each.scenes) for each in client.storyboards.list()] == [("A night", 3, ())]
    assert client.get(rendered.scenes[0].video_id or "").prompt == "a crow"
    client.storyboards.delete(board)
    with pytest.raises(NotFound):
        client.storyboards.get(board.id)


def test_they_can_be_awaited(site: str, key: str, tmp_path: Path) -> None:
    async def walk() -> None:
        async with AsyncClient(key, site) as client:
            board = await client.storyboards.create("A day", ["a fox wakes"])
            board = await client.storyboards.render(await client.storyboards.change(board, seconds=1))
            assert [scene.status for scene in board.scenes] == ["queued"]
            assert await client.storyboards.get(board) == board
            with pytest.raises(Conflict):
                await client.storyboards.download(board, tmp_path / "film.mp4")
            await client.storyboards.delete(board)
            assert board.id not in [each.id for each in await client.storyboards.list()]
        assert list(tmp_path.iterdir()) == []

    asyncio.run(walk())


def test_both_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {name: list(inspect.signature(each).parameters) for name, each in found if not name.startswith("_")}

    assert methods(Storyboards) == methods(AsyncStoryboards)


def test_the_film_is_written_whole(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == f"/v1/storyboards/{BOARD['id']}/content"
        return httpx.Response(200, content=b"film", headers={"content-type": "video/mp4"})

    with Client("lm_key", "https://clips.example", transport=httpx.MockTransport(answer)) as client:
        assert client.storyboards.download(BOARD["id"], tmp_path / "film.mp4").read_bytes() == b"film"


def test_a_file_of_scenes_is_rendered_and_goes_on_where_it_was_changed(signed_in: Run, client: Client) -> None:
    Path("day.txt").write_text("a fox wakes\n\n  it runs\n")
    assert "Go on?" in signed_in("storyboard", "day.txt", typed="n\n").output
    asked = signed_in("storyboard", "day.txt", "--yes", "--detach", "-s", "1", "--title", "A day")
    assert asked.exit_code == 0, asked.output
    board = client.storyboards.get(asked.output.strip())
    assert [scene.prompt for scene in board.scenes] == ["a fox wakes", "it runs"]
    assert (board.title, board.seconds, [scene.is_open for scene in board.scenes]) == ("A day", 1, [True, True])
    for scene in reversed(board.scenes):
        client.cancel(scene.video_id or "")
    Path("day.csv").write_text("prompt\na fox wakes\nit sleeps\nit dreams\n")
    again = signed_in("storyboard", "day.csv", "--id", board.id, "--yes", "--detach")
    assert again.output.strip() == board.id, again.output
    now = client.storyboards.get(board)
    assert [scene.id for scene in now.scenes[:2]] == [scene.id for scene in board.scenes]
    assert [scene.prompt for scene in now.scenes] == ["a fox wakes", "it sleeps", "it dreams"]
    assert re.search(rf"{board.id}.* A day", signed_in("storyboards").output)


def test_a_rendered_one_is_downloaded_and_costs_nothing_more(
    answered: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(self: Client, address: str, path: Path) -> Path:
        path.write_bytes(b"film")
        return path

    monkeypatch.setattr(Client, "_fetch", fetch)
    said = answered(**{BOARD["id"]: BOARD})("storyboard", "--id", BOARD["id"])
    assert said.exit_code == 0, said.output
    assert Path(f"a-day-{BOARD['id'][:8]}.mp4").read_bytes() == b"film"


def test_a_scene_that_fails_is_named_with_how_to_go_on(answered: Callable[..., Run]) -> None:
    scene = {**BOARD["scenes"][0], "status": "in_progress"}
    failed = {**VIDEO, "status": "failed", "error": {"code": "oom", "message": "Too large."}}
    site = {BOARD["id"]: {**BOARD, "scenes": [scene]}, VIDEO["id"]: failed}
    said = answered(**site, events={"object": "nothing"})("storyboard", "--id", BOARD["id"])
    assert said.exit_code == 1
    assert f"loremotion storyboard --id {BOARD['id']}" in said.output


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("day.txt", " \n\n", "no scene"),
        ("day.csv", "prompt,seed\na fox,1\n", "one column"),
        ("day.csv", "prompt\n", "no scene"),
    ],
)
def test_a_file_that_has_no_scenes_is_refused(tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(batch.BadRow, match=says):
        read(tmp_path / name)


def test_nothing_to_render_is_said_before_anything_is_asked(signed_in: Run, client: Client) -> None:
    before = len(client.storyboards.list())
    assert "--id" in signed_in("storyboard").output
    refused = signed_in("storyboard", "--id", "5e0b5b1e-0000-4000-8000-00000000000b")
    assert (refused.exit_code, "isn't yours" in refused.output) == (1, True), refused.output
    assert len(client.storyboards.list()) == before
