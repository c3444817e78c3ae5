"""Against a real site."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path

import pytest

from loremotion import (
    AsyncClient,
    AuthenticationError,
    BatchClip,
    Client,
    ClipFailed,
    Conflict,
    InvalidRequest,
    LoreMotionError,
    NotFound,
    WaitTimedOut,
)


def test_a_clip_is_quoted_asked_for_listed_and_cancelled(client: Client) -> None:
    quote = client.quote("a fox", seed=7)
    asked = client.create("a fox", seed=7)
    assert (asked.status, asked.seed, asked.cost.held) == ("queued", 7, quote.credits)
    assert asked.queue is not None
    assert asked.id in [video.id for video in client.videos()]
    assert client.cancel(asked).state == "cancelled"
    with pytest.raises(ClipFailed) as failed:
        client.wait(asked)
    assert failed.value.video.state == "cancelled"
    client.delete(asked)
    with pytest.raises(NotFound):
        client.get(asked)


def test_one_key_makes_one_clip(client: Client) -> None:
    first = client.create("a fox", idempotency_key="the-same")
    assert client.create("a fox", idempotency_key="the-same").id == first.id
    assert client.create("a fox").id != first.id


def test_a_batch_is_made_whole_and_once(client: Client, made: str) -> None:
    picture = Path(__file__).with_name("red.png")
    clips: list[BatchClip] = [{"prompt": "a fox", "image": picture}, {"prompt": "on and on", "video": made}]
    with pytest.raises(Conflict, match="max_credits"):
        client.create_batch(clips, max_credits=1)
    first = client.create_batch(clips, idempotency_key="a-batch")
    assert [video.raw["lm"]["mode"] for video in first] == ["image", "extend"]
    again = client.create_batch(clips, idempotency_key="a-batch")
    assert [video.id for video in again] == [video.id for video in first]


def test_a_picture_is_sent_as_a_file_and_a_clip_by_its_id(client: Client, made: str) -> None:
    picture = Path(__file__).with_name("red.png")
    assert client.create("a fox", image=picture).raw["lm"]["mode"] == "image"
    assert client.create("a fox", image=picture.read_bytes()).raw["lm"]["mode"] == "image"
    with picture.open("rb") as file:
        assert client.create("a fox", image=file).raw["lm"]["mode"] == "image"
    assert client.extend(made, "on and on").raw["lm"]["mode"] == "extend"


def test_a_finished_clip_is_followed_to_its_end_and_downloaded_whole(client: Client, made: str, tmp_path: Path) -> None:
    assert [event.kind for event in client.events(made)] == ["done"]
    video = client.wait(made, wait_seconds=0)
    assert video.is_completed
    assert video.completed_at is not None
    path = client.download(video, tmp_path / "clip.mp4")
    assert path.stat().st_size > 0
    assert client.download(video, tmp_path / "still.jpg", variant="thumbnail").stat().st_size > 0
    assert sorted(each.name for each in tmp_path.iterdir()) == ["clip.mp4", "still.jpg"]


def test_a_clip_that_is_not_ready_is_neither_waited_for_for_ever_nor_half_downloaded(
    client: Client, tmp_path: Path
) -> None:
    asked = client.create("a slow fox")
    with pytest.raises(WaitTimedOut, match="still being made"):
        client.wait(asked, wait_seconds=0)
    with pytest.raises(Conflict):
        client.download(asked, tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_draft_costs_less_and_is_finished_once_it_is_made(client: Client) -> None:
    draft, quote, whole = (
        client.create("a fox", draft=True),
        client.quote("a fox", draft=True),
        client.quote("a fox"),
    )
    assert (draft.cost.held, quote.credits_to_finish) == (quote.credits, whole.credits - quote.credits)
    assert whole.credits_to_finish is None
    with pytest.raises(Conflict):
        client.finish(draft)
    client.cancel(draft)


def test_a_shared_clip_has_an_address(client: Client, made: str) -> None:
    assert "/s/" in client.share(made)


def test_the_models_say_what_they_can(client: Client) -> None:
    first = client.models()[0]
    assert "text" in first.modes
    assert first.sizes
    assert first.is_available
    assert client.model(first.id) == first


def test_a_refusal_names_the_field_and_the_request(client: Client) -> None:
    with pytest.raises(InvalidRequest, match="Choose one of") as refused:
        client.create("a fox", size="1x1")
    assert (refused.value.status, refused.value.param) == (422, "size")


def test_a_wrong_key_and_no_key_are_told_apart(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client("lm_wrong", site) as client, pytest.raises(AuthenticationError):
        client.page()
    for name in ("LOREMOTION_API_KEY", "LOREMOTION_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(LoreMotionError, match="LOREMOTION_API_KEY"):
        Client(base_url=site)


def test_it_can_be_awaited(site: str, key: str, made: str, tmp_path: Path) -> None:
    async def walk() -> None:
        async with AsyncClient(key, site) as client:
            asked = await client.create("a fox")
            assert asked.id in [video.id async for video in client.videos()]
            assert (await client.cancel(asked)).state == "cancelled"
            assert [event.kind async for event in client.events(made)] == ["done"]
            assert (await client.wait(made)).is_completed
            assert (await client.download(made, tmp_path / "clip.mp4")).stat().st_size > 0
            with pytest.raises(InvalidRequest):
                await client.generate("a fox", size="1x1")

    asyncio.run(walk())


def test_both_clients_have_the_same_methods() -> None:
    def methods(client: type) -> dict[str, list[str]]:
        found = inspect.getmembers(client, inspect.isfunction)
        return {name: list(inspect.signature(each).parameters) for name, each in found if not name.startswith("_")}

    assert methods(Client) == methods(AsyncClient)
