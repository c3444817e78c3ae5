"""What each method of a client sends, and how it reads the answer: all that both clients share."""

from __future__ import annotations

import mimetypes
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO, Any, Generic, Required, TypedDict, TypeVar, cast
from urllib.parse import quote as quoted
from uuid import UUID, uuid4

import httpx

from loremotion.errors import LoreMotionError, error_of, not_a_site
from loremotion.objects import Character, Me, Model, Quote, Usage, Video, VideoPage

T = TypeVar("T")

Input = str | Path | bytes | IO[bytes] | Video
"""A file by its path, its content or open; a finished clip by its id or as ``Video``.

A string is the id of a clip where it looks like one (a UUID), else a path."""

INPUTS = (
    *("image", "last_image", "video", "mask", "control_video"),
    *("reference_image", "reference_image_2", "reference_image_3", "audio"),
)
"""What a clip may start from; a model's ``modes`` say what each takes."""
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class ClipOptions(TypedDict, total=False):
    """What may be said of a clip besides its prompt. What is left out takes the model's default."""

    model: str
    mode: str
    negative_prompt: str
    seconds: float
    size: str
    preset: str
    steps: int
    seed: int
    private: bool
    user_ref: str
    carry_credentials: bool
    draft: bool
    max_credits: int
    character: str | Character
    """Whom it shows, by id or name."""
    characters: Sequence[str | Character]
    image: Input
    last_image: Input
    video: Input
    mask: Input
    control_video: Input
    reference_image: Input
    reference_image_2: Input
    reference_image_3: Input
    audio: Input


class BatchClip(ClipOptions):
    """One clip of several that are asked for together; ``max_credits`` is for all of them."""

    prompt: Required[str]


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request to the API, and how its answer is read."""

    method: str
    path: str
    read: Callable[[Any], T]
    """The answer's JSON → what the caller gets."""
    body: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, tuple[str, bytes, str]] = field(default_factory=dict)
    """Role → name, content, type."""
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    done_status: int | None = None
    """How the site answers a second try where the first one, whose answer was lost, did it."""

    def is_answered(self, response: httpx.Response, attempt: int) -> bool:
        """Whether ``response`` is no error."""
        return response.is_success or (attempt > 1 and response.status_code == self.done_status)

    def request_of(self, client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """The request as ``client`` sends it."""
        sent: dict[str, Any] = {"params": dict(self.params), "headers": dict(self.headers)}
        if self.files:
            lists = {f"{name}[id]": value for name, value in self.body.items() if isinstance(value, list)}
            said = {name: _as_form(value) for name, value in self.body.items() if not isinstance(value, list)}
            sent |= {"data": said | lists, "files": dict(self.files)}
        elif self.method == "POST":
            sent["json"] = dict(self.body)
        return client.build_request(self.method, self.path, **sent)

    def result_of(self, response: httpx.Response) -> T:
        """What the caller gets.

        Raises:
            LoreMotionError: something else than the API answered.
        """
        try:
            return self.read(response.json())
        except (ValueError, LookupError, TypeError, AttributeError) as problem:
            raise not_a_site(response.request.url.host) from problem


def create(prompt: str, options: ClipOptions, idempotency_key: str | None) -> Call[Video]:
    return _ask("/v1/videos", prompt, options, idempotency_key)


def create_batch(
    clips: Sequence[BatchClip], max_credits: int | None, idempotency_key: str | None
) -> Call[tuple[Video, ...]]:
    videos = []
    for clip in clips:
        said = {name: value for name, value in clip.items() if name != "prompt"}
        body, files = _split(clip["prompt"], cast(ClipOptions, said))
        videos.append(body | {role: _spelled_out(*file) for role, file in files.items()})
    body = {"videos": videos} | ({} if max_credits is None else {"max_credits": max_credits})
    return Call("POST", "/v1/videos/batches", _videos_of, body=body, headers=paid_once(idempotency_key))


def _videos_of(said: Any) -> tuple[Video, ...]:
    return VideoPage.from_json(said).videos


def _spelled_out(name: str, content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{b64encode(content).decode()}"


def remix(video: Video | str, prompt: str, options: ClipOptions, idempotency_key: str | None) -> Call[Video]:
    return _ask(f"/v1/videos/{id_of(video)}/remix", prompt, options, idempotency_key)


def extend(video: Input, prompt: str, options: ClipOptions, idempotency_key: str | None) -> Call[Video]:
    return _ask("/v1/videos/extensions", prompt, {**options, "video": video}, idempotency_key)


def finish(video: Video | str, max_credits: int | None) -> Call[Video]:
    body = {} if max_credits is None else {"max_credits": max_credits}
    path = f"/v1/videos/{id_of(video)}/finish"
    return Call("POST", path, Video.from_json, body=body, headers=paid_once(None))


def quote(prompt: str, options: ClipOptions) -> Call[Quote]:
    body, files = _split(prompt, options)
    return Call("POST", "/v1/quotes", Quote.from_json, body=body, files=files)


def get(video: Video | str) -> Call[Video]:
    return Call("GET", f"/v1/videos/{id_of(video)}", Video.from_json)


def page(limit: int, after: str | None, order: str, user_ref: str | None) -> Call[VideoPage]:
    params = {"limit": str(limit), "order": order} | ({"after": after} if after else {})
    params |= {} if user_ref is None else {"user_ref": user_ref}
    return Call("GET", "/v1/videos", VideoPage.from_json, params=params)


def cancel(video: Video | str) -> Call[Video]:
    return Call("POST", f"/v1/videos/{id_of(video)}/cancel", Video.from_json, done_status=409)


def cancelled_before(response: httpx.Response, video: Video) -> Video:
    """``video``, where it is an earlier try that cancelled it, and ``response`` says that it has ended.

    Raises:
        ApiError: it ended in another way.
    """
    if video.state != "cancelled":
        raise error_of(response)
    return video


def delete(video: Video | str) -> Call[None]:
    return Call("DELETE", f"/v1/videos/{id_of(video)}", lambda said: None, done_status=404)


def share(video: Video | str, *, shows_prompt: bool) -> Call[str]:
    body = {"prompt": shows_prompt}
    return Call("POST", f"/v1/videos/{id_of(video)}/share", lambda said: str(said["url"]), body=body)


def models() -> Call[list[Model]]:
    return Call("GET", "/v1/models", lambda said: [Model.from_json(one) for one in said["data"]])


def model(name: str) -> Call[Model]:
    return Call("GET", f"/v1/models/{step(name)}", Model.from_json)


def me() -> Call[Me]:
    return Call("GET", "/v1/me", Me.from_json)


def usage(since: date | str | None, until: date | str | None, by: Sequence[str]) -> Call[Usage]:
    days = {name: str(day) for name, day in (("since", since), ("until", until)) if day is not None}
    return Call("GET", "/v1/usage", Usage.from_json, params={**days, "by": ",".join(by)})


def content_path(video: Video | str, variant: str) -> str:
    """Where a file of a clip's is."""
    return f"/v1/videos/{id_of(video)}/content?variant={quoted(variant, safe='')}"


def id_of(video: Video | str) -> str:
    """A clip's id as a step of a path."""
    return step(video.id if isinstance(video, Video) else video)


def step(name: str) -> str:
    """``name`` as one step of a path, whatever is in it."""
    if name in ("", ".", ".."):
        raise LoreMotionError(f"{name!r} is no id and no name.")
    return quoted(name, safe="")


def _ask(path: str, prompt: str, options: ClipOptions, idempotency_key: str | None) -> Call[Video]:
    body, files = _split(prompt, options)
    return Call("POST", path, Video.from_json, body=body, files=files, headers=paid_once(idempotency_key))


def paid_once(idempotency_key: str | None) -> dict[str, str]:
    """The header of what costs credits: a key by which a retry is known."""
    key = str(uuid4()) if idempotency_key is None else idempotency_key
    if not _KEY.fullmatch(key):
        raise LoreMotionError(f"idempotency_key is {key!r}: it has 1 to 255 printable ASCII characters, none a space.")
    return {"Idempotency-Key": key}


def _split(prompt: str, options: ClipOptions) -> tuple[dict[str, Any], dict[str, tuple[str, bytes, str]]]:
    """The fields and the files. Files are read here, once: a retry sends the same bytes."""
    body: dict[str, Any] = {"prompt": prompt}
    files: dict[str, tuple[str, bytes, str]] = {}
    for name, value in cast(Mapping[str, Any], options).items():
        if value is None:
            continue
        if name not in INPUTS:
            body[name] = _said_of(value)
        elif (clip := clip_id(value)) is not None:
            body[name] = clip
        else:
            files[name] = file_of(name, value)
    return body, files


def clip_id(value: Input) -> str | None:
    """The clip's id; None for what is a file. Of the ways to write a UUID only the one with hyphens is an id, since
    a file may well be called by the digits alone."""
    if isinstance(value, Video):
        return value.id
    try:
        return value if isinstance(value, str) and str(UUID(value)) == value.lower() else None
    except ValueError:
        return None


def file_of(role: str, value: Input) -> tuple[str, bytes, str]:
    """Name, content and type of a file, read here, once: a retry sends the same bytes."""
    if isinstance(value, bytes):
        name, content = role, value
    elif isinstance(value, str | Path):
        name, content = Path(value).name, Path(value).read_bytes()
    else:
        name, content = Path(str(getattr(value, "name", role))).name, cast(IO[bytes], value).read()
    return name, content, mimetypes.guess_type(name)[0] or "application/octet-stream"


def _said_of(value: Any) -> Any:
    """What a body says of a value: of a character its id."""
    if isinstance(value, Character):
        return value.id
    return [_said_of(one) for one in value] if isinstance(value, list | tuple) else value


def _as_form(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
