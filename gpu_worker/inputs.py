"""The pictures, videos and sounds that a render starts from: fetched within bounds, decoded for the engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import httpx
from PIL import Image, UnidentifiedImageError

from gpu_worker import media_input
from gpu_worker.addresses import CHUNK_BYTES, TransferFailed, check, local_path, persist, redact
from gpu_worker.families import ROLES, Kind
from gpu_worker.media import formats
from gpu_worker.media_input import Wanted
from gpu_worker.sandbox import FileUnreadable
from gpu_worker.sounds import Audio

Input: TypeAlias = Image.Image | list[Image.Image] | Audio
"""A picture, the frames of a video, or a sound."""

MAX_PIXELS = 64_000_000


class InputUnreadable(Exception):
    """An input is not what its role needs. Another attempt cannot change that."""


class InputUnavailable(TransferFailed):
    """An input file could not be fetched."""


@dataclass(frozen=True, slots=True)
class Most:
    """How large a file may be, by which name it is spoken of, and which variable says so, if one does."""

    name: str
    size_bytes: int
    variable: str = ""

    def check(self, size_bytes: int) -> None:
        """
        Raises:
            TransferFailed: that is too large.
        """
        if size_bytes > self.size_bytes:
            by = f" ({self.variable})" if self.variable else ""
            raise TransferFailed(f"{self.name} is larger than {self.size_bytes} bytes{by}.", is_retryable=False)


class Fetcher:
    """Gets inputs into a folder. ``on_chunk`` is called for every piece received: still alive, still wanted?"""

    def __init__(
        self,
        client: httpx.Client,
        attempts: int,
        input_bytes: int,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._pause = pause
        self._attempts = attempts
        self._input_bytes = input_bytes

    def fetch(
        self, inputs: Mapping[str, str], folder: Path, on_chunk: Callable[[], None], wanted: Wanted
    ) -> dict[str, Input]:
        """Fetch and decode every input. Returns role → what the clip has use for.

        Raises:
            InputUnavailable: a file is missing, too large, or stayed out of reach for every try.
            InputUnreadable: a file is not a picture, video or sound that can be decoded.
        """
        try:
            files = {role: self._file(role, address, folder, on_chunk) for role, address in inputs.items()}
        except TransferFailed as problem:
            raise InputUnavailable(str(problem), is_retryable=problem.is_retryable) from problem
        return {role: decode(role, path, wanted, on_chunk) for role, path in files.items()}

    def _file(self, role: str, address: str, folder: Path, on_chunk: Callable[[], None]) -> Path:
        most = Most(f"The input {role!r}", self._input_bytes, "GPU_WORKER_INPUT_BYTES")
        return self.get(address, folder / f"input-{role}", on_chunk, most)

    def get(self, address: str, path: Path, on_chunk: Callable[[], None], most: Most) -> Path:
        """Fetch a file to ``path``. Returns where it is, which for a ``file:`` address is where it was.

        Raises:
            TransferFailed: it is missing, too large, or stayed out of reach for every try.
        """
        own = local_path(address)
        if own is None:
            own = path
            persist(lambda: self._get_once(address, path, on_chunk, most), self._attempts, self._pause)
        try:
            most.check(own.stat().st_size)
        except OSError as problem:
            raise TransferFailed(f"{most.name} is not there: {problem.strerror}.", is_retryable=False) from problem
        return own

    def _get_once(
        self, address: str, path: Path, on_chunk: Callable[[], None], most: Most, *, may_lead_on: bool = True
    ) -> None:
        """Fetch the file, from where the site says that its store has it: by one redirect, which leads to no other."""
        on_chunk()
        received_bytes = 0
        with self._client.stream("GET", address) as response, path.open("wb") as file:
            if may_lead_on and response.is_redirect and local_path(stored := response.headers["Location"]) is None:
                response.close()
                self._get_once(stored, path, on_chunk, most, may_lead_on=False)
                return
            check(response, f"Fetching {redact(address)}")
            for chunk in response.iter_bytes(CHUNK_BYTES):
                received_bytes += len(chunk)
                most.check(received_bytes)
                file.write(chunk)
                on_chunk()


def decode(role: str, path: Path, wanted: Wanted, on_chunk: Callable[[], None]) -> Input:
    """Decode a file into what the engine takes for ``role``: a sound, the frames of a video, else a picture or frames.

    Raises:
        InputUnreadable: naming the role and the reason.
    """
    kind = ROLES[role].kind if role in ROLES else Kind.PICTURE
    try:
        if kind == Kind.SOUND:
            return media_input.sound(path, wanted)
        if kind == Kind.CLIP and wanted.last:
            return media_input.ending(path, wanted, on_chunk)
        if kind == Kind.CLIP:
            return media_input.frames(path, wanted, on_chunk)
        if _format_of(path) in formats.ON_GPU_HOST:
            return media_input.picture(path, wanted)
        if role != "mask" and _format_of(path) == formats.MP4:  # an own clip: the new one begins where that ends
            return media_input.frames(path, replace(wanted, last=1), on_chunk)[-1]
        try:
            return _picture(role, path)
        except UnidentifiedImageError:  # a mask, for one, may be either; whatever it is, the sandbox finds out
            return media_input.frames(path, wanted, on_chunk)
    except FileUnreadable as problem:
        raise InputUnreadable(f"The input {role!r} {problem}") from problem


def _format_of(path: Path) -> formats.Format | None:
    with path.open("rb") as file:
        return formats.format_of(formats.read_head(file))


def _picture(role: str, path: Path) -> Image.Image:
    """Decode a PNG, as the site encodes pictures. No other of the library's decoders is let near the file."""
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise InputUnreadable(
                    f"The input {role!r} has {picture.width}x{picture.height} pixels, over {MAX_PIXELS}."
                )
            return picture.convert("RGB")
    except UnidentifiedImageError:
        raise
    except (OSError, ValueError, SyntaxError) as problem:
        raise InputUnreadable(f"The input {role!r} is a damaged picture: {problem}.") from problem
