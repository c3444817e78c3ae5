"""Any server with OpenAI's Videos API: vLLM-Omni, SGLang-Diffusion, a second LoreMotion.

``POST videos`` (multipart) answers ``{id, status}``; ``GET videos/{id}`` says ``queued``, ``in_progress``,
``completed`` or ``failed``, ``progress`` in percent and ``error.message``; the clip lies at ``videos/{id}/content``.
Sources: openai-python (resources/videos.py), docs.vllm.ai/projects/vllm-omni (serving/videos_api), and this site's own
API.

OpenAI's shape has no key by which a start is found again. A LoreMotion site honours ``Idempotency-Key``, which an
account says by ``is_idempotent``; of other servers a start that was not answered is given up.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from gpu_worker.remote.accounts import Account
from gpu_worker.remote.errors import NoSuchJob, RemoteFailed, Unanswered, quote_provider
from gpu_worker.remote.provider import Ask, NotFindable, Seen, Status
from gpu_worker.remote.transport import Api

_STATUSES: Final = {
    "queued": Status.WAITING,
    "in_progress": Status.RUNNING,
    "completed": Status.DONE,
    "failed": Status.FAILED,
    "cancelled": Status.FAILED,
    "expired": Status.FAILED,
}


class OpenAIShaped:
    """One server."""

    charges_for_begun = False

    def __init__(self, account: Account, transport: httpx.BaseTransport | None = None) -> None:
        self.title = account.title
        self.is_idempotent = account.is_idempotent
        self._fields = account.fields
        headers = {"Authorization": f"Bearer {account.key}"} if account.key else {}
        self._api = Api(account.url, account.title, authorize=lambda: headers, transport=transport)

    def start(self, ask: Ask, reference: str) -> str:
        offered = {
            "seed": str(ask.seed),
            "negative_prompt": ask.negative_prompt,
            "fps": f"{ask.fps:g}",
            "num_frames": str(ask.num_frames),
        }
        parts: dict[str, Any] = {
            "model": ask.model,
            "prompt": ask.prompt,
            "seconds": f"{ask.seconds:.4g}",
            "size": ask.size,
            **{name: offered[name] for name in self._fields if offered.get(name)},
        }
        files: dict[str, Any] = {name: (None, value.encode()) for name, value in parts.items()}
        if ask.image_png is not None:
            files["input_reference"] = ("first.png", ask.image_png, "image/png")
        answer = self._api.call("POST", "videos", files=files, headers={"Idempotency-Key": reference})
        return job_name(answer.get("id"), self.title)

    def find(self, ask: Ask, reference: str) -> str | None:
        raise NotFindable

    def look(self, remote_id: str) -> Seen:
        answer = self._api.call("GET", _path(remote_id))
        status = _STATUSES.get(str(answer.get("status")))
        if status is None:
            raise Unanswered(f"{self.title} does not say how the clip stands.")
        said, error = answer.get("progress"), answer.get("error")
        is_number = isinstance(said, int | float) and not isinstance(said, bool) and 0 <= said <= 100
        problem = error.get("message", "") if isinstance(error, dict) else error or ""
        return Seen(
            status=status,
            fraction=said / 100 if is_number and isinstance(said, int | float) else None,
            address=f"{_path(remote_id)}/content",
            problem=quote_provider(problem),
        )

    def cancel(self, remote_id: str) -> None:
        """A LoreMotion site stops it at ``/cancel``; elsewhere deleting it is all that there is."""
        try:
            self._api.call("POST", f"{_path(remote_id)}/cancel")
        except (NoSuchJob, RemoteFailed):
            self._api.call("DELETE", _path(remote_id))

    def look_around(self) -> str:
        listed = self._api.call("GET", "models").get("data")
        return models_in(listed)

    def download(self, remote_id: str, seen: Seen, path: Path, on_chunk: Callable[[], None]) -> None:
        self._api.download(seen.address, path, on_chunk)


def _path(remote_id: str) -> str:
    return f"videos/{quote(remote_id, safe='')}"


def models_in(listed: object) -> str:
    """Return in words how many models a provider lists."""
    count = len(listed) if isinstance(listed, list) else 0
    return f"it lists {count} model{'' if count == 1 else 's'}."


def job_name(said: object, title: str) -> str:
    """Return the provider's name of a job.

    Raises:
        Unanswered: it is none that could be asked for again.
    """
    if not isinstance(said, str) or not 0 < len(said) <= 400 or not said.isprintable():
        raise Unanswered(f"{title} did not name the job.")
    return said
