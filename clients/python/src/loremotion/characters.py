"""Characters: who or what clips show again and again, by a few pictures that are sent once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from loremotion.calls import Call, Input, file_of, step
from loremotion.errors import LoreMotionError
from loremotion.objects import Character

T = TypeVar("T")
_ROLES = ("reference_image", "reference_image_2", "reference_image_3")


class _Send(Protocol):
    def __call__(self, call: Call[T], /) -> T: ...


class _SendAsync(Protocol):
    async def __call__(self, call: Call[T], /) -> T: ...


class Characters:
    """``Client.characters``: the workspace's."""

    def __init__(self, send: _Send) -> None:
        self._send = send

    def list(self) -> tuple[Character, ...]:
        """Return all of them, by name."""
        return self._send(_list())

    def create(self, name: str, pictures: Sequence[Input]) -> Character:
        """Keep a character of 1 to 3 pictures: JPEG, PNG or WebP. No two have the same name."""
        return self._send(_create(name, pictures))

    def get(self, character: Character | str) -> Character:
        """Return one, by its id.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        return self._send(Call("GET", _path_of(character), Character.from_json))

    def rename(self, character: Character | str, name: str) -> Character:
        """Give it another name."""
        return self._send(Call("POST", _path_of(character), Character.from_json, body={"name": name}))

    def delete(self, character: Character | str) -> None:
        """Delete it. Clips that show it stay."""
        self._send(_delete(character))


class AsyncCharacters:
    """``AsyncClient.characters``: ``Characters`` with ``await``."""

    def __init__(self, send: _SendAsync) -> None:
        self._send = send

    async def list(self) -> tuple[Character, ...]:
        """Return all of them, by name."""
        return await self._send(_list())

    async def create(self, name: str, pictures: Sequence[Input]) -> Character:
        """Keep a character of 1 to 3 pictures: JPEG, PNG or WebP. No two have the same name."""
        return await self._send(_create(name, pictures))

    async def get(self, character: Character | str) -> Character:
        """Return one, by its id.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        return await self._send(Call("GET", _path_of(character), Character.from_json))

    async def rename(self, character: Character | str, name: str) -> Character:
        """Give it another name."""
        return await self._send(Call("POST", _path_of(character), Character.from_json, body={"name": name}))

    async def delete(self, character: Character | str) -> None:
        """Delete it. Clips that show it stay."""
        await self._send(_delete(character))


def _list() -> Call[tuple[Character, ...]]:
    return Call("GET", "/v1/videos/characters", lambda said: tuple(map(Character.from_json, said["data"])))


def _create(name: str, pictures: Sequence[Input]) -> Call[Character]:
    if len(pictures) > len(_ROLES):
        raise LoreMotionError(f"A character is made of 1 to {len(_ROLES)} pictures, and these are {len(pictures)}.")
    files = {role: file_of(role, picture) for role, picture in zip(_ROLES, pictures, strict=False)}
    return Call("POST", "/v1/videos/characters", Character.from_json, body={"name": name}, files=files)


def _delete(character: Character | str) -> Call[None]:
    return Call("DELETE", _path_of(character), lambda said: None, done_status=404)


def _path_of(character: Character | str) -> str:
    return f"/v1/videos/characters/{step(character.id if isinstance(character, Character) else character)}"
