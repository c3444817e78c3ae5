"""Storyboards: scenes that go on from one another, rendered for one price and fetched as one film."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypedDict, TypeVar, Unpack

from loremotion.calls import Call, paid_once, step
from loremotion.objects import Json

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene, and how its newest clip stands."""

    id: str
    prompt: str
    video_id: str | None
    status: str | None
    """``queued``, ``in_progress``, ``completed`` or ``failed``; None without a clip."""
    why_to_render: str
    """Empty where its clip fits."""
    credits: int | None
    """What rendering it costs; None where the site can't tell."""

    @property
    def is_open(self) -> bool:
        """Whether its clip waits or is being made."""
        return self.status in ("queued", "in_progress")

    @classmethod
    def from_json(cls, said: Json) -> Scene:
        words = {name: said[name] for name in ("id", "prompt", "video_id", "status", "credits")}
        return cls(why_to_render=said["why_to_render"] or "", **words)


@dataclass(frozen=True, slots=True)
class Storyboard:
    """Scenes of one model and shape, each of which begins with the last picture of the one before."""

    id: str
    title: str
    model: str
    size: str | None
    preset: str | None
    seconds: float | None
    """Of each scene; as ``size`` and ``preset``, None for the model's default."""
    created_at: datetime
    scene_count: int
    scenes: tuple[Scene, ...]
    """Empty in a list of storyboards."""
    credits_to_render: int | None
    """What rendering all that has to be rendered costs; None where the site can't tell, and in a list."""
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, said: Json) -> Storyboard:
        settings = {name: said[name] for name in ("id", "title", "model", "size", "preset", "seconds")}
        return cls(
            created_at=datetime.fromtimestamp(said["created_at"], UTC),
            scene_count=said["num_scenes"],
            scenes=tuple(map(Scene.from_json, said.get("scenes", ()))),
            credits_to_render=said.get("credits_to_render"),
            raw=said,
            **settings,
        )


class SceneSettings(TypedDict, total=False):
    """What all scenes of a storyboard have in common. What is left out takes the model's default."""

    model: str
    size: str | None
    preset: str | None
    seconds: float | None


Scenes = Sequence[str | Scene]
"""In their order: a prompt for a new one, and as it is one that is there, which keeps its clip. ``dataclasses.replace``
gives it another prompt."""


class _Send(Protocol):
    def __call__(self, call: Call[T], /) -> T: ...


class _Fetch(Protocol):
    def __call__(self, address: str, path: str | os.PathLike[str], /) -> Path: ...


class _SendAsync(Protocol):
    async def __call__(self, call: Call[T], /) -> T: ...


class _FetchAsync(Protocol):
    async def __call__(self, address: str, path: str | os.PathLike[str], /) -> Path: ...


class Storyboards:
    """``Client.storyboards``: the workspace's."""

    def __init__(self, send: _Send, fetch: _Fetch) -> None:
        self._send = send
        self._fetch = fetch

    def list(self) -> tuple[Storyboard, ...]:
        """Return all of them, the newest first, without their scenes."""
        return self._send(_list())

    def create(self, title: str, scenes: Sequence[str], **settings: Unpack[SceneSettings]) -> Storyboard:
        """Begin one with a scene for each prompt, 12 at most. Renders and holds nothing yet."""
        return self._send(_write("", title, scenes, settings))

    def get(self, storyboard: Storyboard | str) -> Storyboard:
        """Return how it stands.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        return self._send(_get(storyboard))

    def change(
        self,
        storyboard: Storyboard | str,
        *,
        title: str | None = None,
        scenes: Scenes | None = None,
        **settings: Unpack[SceneSettings],
    ) -> Storyboard:
        """Change what is given; ``scenes`` are all of them from then on. No clip is deleted."""
        return self._send(_write(_path_of(storyboard), title, scenes, settings))

    def delete(self, storyboard: Storyboard | str) -> None:
        """Delete it. Its clips stay."""
        self._send(_delete(storyboard))

    def render(
        self,
        storyboard: Storyboard | str,
        *,
        only: Scene | str | None = None,
        since: Scene | str | None = None,
        max_credits: int | None = None,
        idempotency_key: str | None = None,
    ) -> Storyboard:
        """Render the first scene that has to be and all after it: all are held for, or none is. Returns how it stands.

        Args:
            only: this scene alone, whether or not it has to be.
            since: this scene and all after it.
            max_credits: the most that all of them may cost.
            idempotency_key: as of ``Client.create``.
        """
        return self._send(_render(storyboard, only, since, max_credits, idempotency_key))

    def download(self, storyboard: Storyboard | str, path: str | os.PathLike[str]) -> Path:
        """Write the scenes that are made to ``path`` as one film, whole or not at all. Returns the path."""
        return self._fetch(f"{_path_of(storyboard)}/content", path)


class AsyncStoryboards:
    """``AsyncClient.storyboards``: ``Storyboards`` with ``await``."""

    def __init__(self, send: _SendAsync, fetch: _FetchAsync) -> None:
        self._send = send
        self._fetch = fetch

    async def list(self) -> tuple[Storyboard, ...]:
        """Return all of them, the newest first, without their scenes."""
        return await self._send(_list())

    async def create(self, title: str, scenes: Sequence[str], **settings: Unpack[SceneSettings]) -> Storyboard:
        """Begin one with a scene for each prompt, 12 at most. Renders and holds nothing yet."""
        return await self._send(_write("", title, scenes, settings))

    async def get(self, storyboard: Storyboard | str) -> Storyboard:
        """Return how it stands.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        return await self._send(_get(storyboard))

    async def change(
        self,
        storyboard: Storyboard | str,
        *,
        title: str | None = None,
        scenes: Scenes | None = None,
        **settings: Unpack[SceneSettings],
    ) -> Storyboard:
        """Change what is given; ``scenes`` are all of them from then on. No clip is deleted."""
        return await self._send(_write(_path_of(storyboard), title, scenes, settings))

    async def delete(self, storyboard: Storyboard | str) -> None:
        """Delete it. Its clips stay."""
        await self._send(_delete(storyboard))

    async def render(
        self,
        storyboard: Storyboard | str,
        *,
        only: Scene | str | None = None,
        since: Scene | str | None = None,
        max_credits: int | None = None,
        idempotency_key: str | None = None,
    ) -> Storyboard:
        """Render the first scene that has to be and all after it: all are held for, or none is. Returns how it stands.

        Args:
            only: this scene alone, whether or not it has to be.
            since: this scene and all after it.
            max_credits: the most that all of them may cost.
            idempotency_key: as of ``AsyncClient.create``.
        """
        return await self._send(_render(storyboard, only, since, max_credits, idempotency_key))

    async def download(self, storyboard: Storyboard | str, path: str | os.PathLike[str]) -> Path:
        """Write the scenes that are made to ``path`` as one film, whole or not at all. Returns the path."""
        return await self._fetch(f"{_path_of(storyboard)}/content", path)


def _list() -> Call[tuple[Storyboard, ...]]:
    return Call("GET", "/v1/storyboards", lambda said: tuple(map(Storyboard.from_json, said["data"])))


def _get(storyboard: Storyboard | str) -> Call[Storyboard]:
    return Call("GET", _path_of(storyboard), Storyboard.from_json)


def _write(path: str, title: str | None, scenes: Scenes | None, settings: Mapping[str, Any]) -> Call[Storyboard]:
    body: dict[str, Any] = dict(settings)
    if title is not None:
        body["title"] = title
    if scenes is not None:
        body["scenes"] = [
            {"prompt": scene} if isinstance(scene, str) else {"id": scene.id, "prompt": scene.prompt}
            for scene in scenes
        ]
    return Call("POST", path or "/v1/storyboards", Storyboard.from_json, body=body)


def _delete(storyboard: Storyboard | str) -> Call[None]:
    return Call("DELETE", _path_of(storyboard), lambda said: None, done_status=404)


def _render(
    storyboard: Storyboard | str,
    only: Scene | str | None,
    since: Scene | str | None,
    max_credits: int | None,
    idempotency_key: str | None,
) -> Call[Storyboard]:
    said = {"only": _id_of(only), "since": _id_of(since), "max_credits": max_credits}
    body = {name: value for name, value in said.items() if value is not None}
    path, headers = f"{_path_of(storyboard)}/render", paid_once(idempotency_key)
    return Call("POST", path, Storyboard.from_json, body=body, headers=headers)


def _id_of(scene: Scene | str | None) -> str | None:
    return scene.id if isinstance(scene, Scene) else scene


def _path_of(storyboard: Storyboard | str) -> str:
    return f"/v1/storyboards/{step(storyboard.id if isinstance(storyboard, Storyboard) else storyboard)}"
