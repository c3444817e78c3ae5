"""What the API answers with, typed. ``raw`` has each answer as it came, with whatever a newer site adds."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class VideoError:
    """Why there is no clip."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Cost:
    """In credits."""

    quoted: int
    held: int
    charged: int
    given_back: int


@dataclass(frozen=True, slots=True)
class Queue:
    """What a clip waits for."""

    place: int
    """Clips before it, running ones included."""
    starts: tuple[float, float] | None
    """Seconds from now until it starts, 10th and 90th percentile. None while nobody can say."""
    ready: tuple[float, float, float] | None
    """Seconds from now until it is ready: 10th, 50th and 90th percentile. None while nobody can say."""
    reason: str
    in_words: str

    @classmethod
    def from_json(cls, said: Json) -> Queue:
        starts, ready = said.get("starts"), said.get("ready")
        return cls(
            place=int(said.get("place", 0)),
            starts=(float(starts[0]), float(starts[1])) if starts else None,
            ready=(float(ready[0]), float(ready[1]), float(ready[2])) if ready else None,
            reason=str(said.get("reason", "")),
            in_words=str(said.get("in_words", "")),
        )


@dataclass(frozen=True, slots=True)
class Video:
    """A clip: asked for, being made, or there."""

    id: str
    status: str
    """``queued``, ``in_progress``, ``completed`` or ``failed``."""
    state: str
    """The same, finer: a failed one may be ``failed``, ``cancelled`` or ``blocked``."""
    progress: int
    """Percent of the time that the whole clip is expected to take."""
    model: str
    prompt: str
    seconds: float
    size: str
    seed: int
    cost: Cost
    created_at: datetime
    completed_at: datetime | None
    expires_at: datetime | None
    error: VideoError | None
    queue: Queue | None
    """While it waits, and where one clip was asked for and not a list."""
    stage: str
    page_url: str
    user_ref: str | None
    """What your own program calls it."""
    preview: bytes | None
    """A JPEG of what is being made."""
    raw: Json = field(repr=False, compare=False)

    @property
    def is_open(self) -> bool:
        """Whether it waits or is being made."""
        return self.status in ("queued", "in_progress")

    @property
    def is_completed(self) -> bool:
        """Whether it can be downloaded."""
        return self.status == "completed"

    @classmethod
    def from_json(cls, said: Json) -> Video:
        ours, error = said["lm"], said.get("error")
        return cls(
            id=said["id"],
            status=said["status"],
            state=ours["state"],
            progress=said["progress"],
            model=said["model"],
            prompt=said["prompt"],
            seconds=float(said["seconds"]),
            size=said["size"],
            seed=ours["seed"],
            cost=Cost(**{name: ours["cost"][name] for name in ("quoted", "held", "charged", "given_back")}),
            created_at=datetime.fromtimestamp(said["created_at"], UTC),
            completed_at=_moment(said.get("completed_at")),
            expires_at=_moment(said.get("expires_at")),
            error=VideoError(code=error["code"], message=error["message"]) if error else None,
            queue=Queue.from_json(ours["queue"]) if ours.get("queue") else None,
            stage=ours.get("stage", ""),
            page_url=ours["page_url"],
            user_ref=ours.get("user_ref"),
            preview=picture_of(ours.get("preview")),
            raw=said,
        )


@dataclass(frozen=True, slots=True)
class VideoPage:
    """Some of the workspace's clips, and where to go on."""

    videos: tuple[Video, ...]
    next_after: str | None
    """``after`` of the next page; None where this is the last."""

    @classmethod
    def from_json(cls, said: Json) -> VideoPage:
        videos = tuple(map(Video.from_json, said["data"]))
        return cls(videos=videos, next_after=said["last_id"] if said["has_more"] else None)


@dataclass(frozen=True, slots=True)
class Quote:
    """What a clip would cost and when it would be ready, if it were asked for now."""

    model: str
    mode: str
    preset: str
    seconds: float
    size: str
    credits: int
    credits_to_finish: int | None
    """Of a draft: what making the whole clip costs then. None of what is none."""
    in_words: str
    queue: Queue
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, said: Json) -> Quote:
        return cls(
            model=said["model"],
            mode=said["mode"],
            preset=said["preset"],
            seconds=float(said["seconds"]),
            size=said["size"],
            credits=said["credits"],
            credits_to_finish=said.get("to_finish"),
            in_words=said["in_words"],
            queue=Queue.from_json(said["queue"]),
            raw=said,
        )


@dataclass(frozen=True, slots=True)
class Character:
    """Who or what clips show again and again, by 1 to 3 pictures that were sent once."""

    id: str
    name: str
    picture_count: int
    created_at: datetime
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, said: Json) -> Character:
        return cls(
            id=said["id"],
            name=said["name"],
            picture_count=said["num_pictures"],
            created_at=datetime.fromtimestamp(said["created_at"], UTC),
            raw=said,
        )


@dataclass(frozen=True, slots=True)
class Model:
    """A model that clips can be made with."""

    id: str
    name: str
    summary: str
    family: str
    aliases: tuple[str, ...]
    modes: tuple[str, ...]
    sizes: tuple[str, ...]
    presets: tuple[str, ...]
    is_available: bool
    unavailable_because: str
    sample_credits: int | None
    """Price of the clip by which the site compares models."""
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, said: Json) -> Model:
        ours = said["lm"]
        able = ours["capabilities"]
        return cls(
            id=said["id"],
            name=ours["name"],
            summary=ours["summary"],
            family=ours["family"],
            aliases=tuple(ours["aliases"]),
            modes=tuple(mode["name"] for mode in able["modes"]),
            sizes=tuple(able["sizes"]),
            presets=tuple(preset["name"] for preset in able["presets"]),
            is_available=ours["is_available"],
            unavailable_because=ours.get("unavailable_because") or "",
            sample_credits=(ours.get("sample") or {}).get("credits"),
            raw=said,
        )


@dataclass(frozen=True, slots=True)
class Credits:
    """What the workspace has."""

    available: int
    held: int
    """Set aside for clips that are not ready."""
    owed: int


@dataclass(frozen=True, slots=True)
class Cap:
    """What the key may spend in a day, or in a calendar month (UTC)."""

    credits: int
    spent: int
    left: int

    @classmethod
    def from_json(cls, said: Json | None, name: str) -> Cap | None:
        return cls(credits=said[name], spent=said["spent"], left=said["left"]) if said else None


@dataclass(frozen=True, slots=True)
class Me:
    """Whose key it is, and what is left."""

    workspace: str
    """Its name."""
    key: str
    """Its name."""
    scopes: tuple[str, ...]
    expires_at: datetime | None
    plan: str
    most_open_clips: int
    monthly_cap: Cap | None
    """None for a key without one."""
    daily_cap: Cap | None
    credits: Credits | None
    """None where the key's scopes do not show them; see ``billing-read``."""
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, said: Json) -> Me:
        key, credits = said["key"] or {}, said["credits"]
        return cls(
            workspace=(said["workspace"] or {}).get("name", ""),
            key=key.get("name", ""),
            scopes=tuple(key.get("scopes", ())),
            expires_at=_moment(key.get("expires_at")),
            plan=said["plan"],
            most_open_clips=said["most_open_clips"],
            monthly_cap=Cap.from_json(said["cap"], "monthly_credits"),
            daily_cap=Cap.from_json(said.get("daily_cap"), "daily_credits"),
            credits=Credits(**{name: credits[name] for name in ("available", "held", "owed")}) if credits else None,
            raw=said,
        )


@dataclass(frozen=True, slots=True)
class Spent:
    """Credits, and what was made for them."""

    clips: int
    """That were asked for, whatever became of them."""
    seconds: float
    """Of finished clips."""
    held: int
    charged: int
    given_back: int

    @classmethod
    def from_json(cls, said: Json) -> Spent:
        whole = {name: int(said[name]) for name in ("clips", "held", "charged", "given_back")}
        return cls(seconds=float(said["seconds"]), **whole)


@dataclass(frozen=True, slots=True)
class UsageLine:
    """One group's share."""

    of: Mapping[str, str | None]
    """What tells it apart, by ``day``, ``model``, ``key`` or ``member``; None for clips that have none."""
    spent: Spent


@dataclass(frozen=True, slots=True)
class Usage:
    """What was spent on the days from ``since`` to ``until`` (UTC), both among them."""

    since: date
    until: date
    lines: tuple[UsageLine, ...]
    total: Spent
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, said: Json) -> Usage:
        lines = (UsageLine({name: one[name] for name in said["by"]}, Spent.from_json(one)) for one in said["data"])
        since, until = date.fromisoformat(said["since"]), date.fromisoformat(said["until"])
        return cls(since, until, tuple(lines), Spent.from_json(said["total"]), said)


@dataclass(frozen=True, slots=True)
class Event:
    """One of a clip's live events."""

    kind: str
    """``queue``, ``stage``, ``step``, ``preview``, ``late``, and ``done`` at the end."""
    data: Json
    video: Video | None = None
    """The clip as it ended, with ``done``; None where it was deleted meanwhile."""

    @property
    def preview(self) -> bytes | None:
        """A JPEG of what is being made, where the event brings one."""
        return picture_of(self.data.get("preview"))

    @classmethod
    def from_sse(cls, kind: str, said: Json) -> Event:
        ended = kind == "done" and said.get("object") == "video"
        return cls(kind=kind, data=said, video=Video.from_json(said) if ended else None)


def picture_of(address: str | None) -> bytes | None:
    """The bytes that a data address holds; None where it is none."""
    head, comma, body = (address or "").partition(",")
    if not comma or not head.startswith("data:image/") or not head.endswith(";base64"):
        return None
    try:
        return base64.b64decode(body, validate=True)
    except ValueError:
        return None


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
