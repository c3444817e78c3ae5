"""Characters: against a real site."""

from __future__ import annotations

import asyncio
import inspect
import json
from pathlib import Path

import httpx
import pytest

from loremotion import AsyncClient, Client, Conflict, InvalidRequest, LoreMotionError, NotFound
from loremotion.characters import AsyncCharacters, Characters
from tests.test_command import Run, run, signed_in
from tests.test_retries import VIDEO

__all__ = ["run", "signed_in"]
RED = Path(__file__).with_name("red.png")


def test_one_is_kept_by_its_pictures_renamed_and_deleted(client: Client) -> None:
    made = client.characters.create("Ann", [RED, RED.read_bytes()])
    assert (made.name, made.picture_count) == ("Ann", 2)
    with pytest.raises(Conflict, match="called ann already"):
        client.characters.create("ann", [RED])
    renamed = client.characters.rename(made, "Anna")
    assert client.characters.list() == (renamed,) == (client.characters.get(made.id),)
    with pytest.raises(InvalidRequest, match="takes no reference pictures"):
        client.create("she walks", character=made)
    client.characters.delete(made)
    with pytest.raises(NotFound):
        client.characters.get(made)
    with pytest.raises(InvalidRequest, match="no character"):
        client.quote("she walks", characters=["Ann"])
    with pytest.raises(LoreMotionError, match="1 to 3"):
        client.characters.create("Bob", [RED] * 4)


def test_they_can_be_awaited(site: str, key: str) -> None:
    async def walk() -> None:
        async with AsyncClient(key, site) as client:
            made = await client.characters.create("Cleo", [RED])
            assert await client.characters.get(await client.characters.rename(made, "Cleopatra")) is not None
            assert [one.name for one in await client.characters.list()] == ["Cleopatra"]
            await client.characters.delete(made)

    asyncio.run(walk())


def test_both_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {name: list(inspect.signature(each).parameters) for name, each in found if not name.startswith("_")}

    assert methods(Characters) == methods(AsyncCharacters)


def test_several_are_named_in_json_and_beside_files_in_a_form() -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        request.read()
        sent.append(request)
        return httpx.Response(200, json=VIDEO)

    with Client("lm_key", "https://clips.example", transport=httpx.MockTransport(answer)) as client:
        client.create("they walk", characters=["Ann", "Bob"])
        client.create("they walk", characters=["Ann", "Bob"], image=RED)
    assert json.loads(sent[0].content)["characters"] == ["Ann", "Bob"]
    assert sent[1].content.count(b'name="characters[id]"') == 2


def test_the_command_keeps_lists_and_deletes_them(signed_in: Run) -> None:
    assert signed_in("character", "Dora").exit_code == 2
    said = signed_in("character", "Dora", str(RED))
    assert said.exit_code == 0, said.output
    assert "Dora" in signed_in("characters").output
    refused = signed_in("generate", "she walks", "--character", "Dora", "--detach")
    assert (refused.exit_code, "takes no reference pictures" in refused.output) == (1, True), refused.output
    assert "Dora is deleted." in signed_in("character", "Dora", "--delete").output
    assert "no character Dora" in signed_in("character", "Dora", "--delete").output
