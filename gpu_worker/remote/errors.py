"""What can go wrong with a provider, as an error of ours: a stable code, and words for whoever asked for the clip."""

from __future__ import annotations

from gpu_worker.engine.errors import EngineError

UNAVAILABLE = "remote_unavailable"
REFUSED = "remote_refused"
NOT_SET_UP = "remote_not_set_up"
FAILED = "remote_failed"
LOST = "remote_lost"
UNSURE = "remote_unsure"
NOT_AS_ASKED = "remote_not_as_asked"
_MOST_WORDS = 240


class RemoteFailed(EngineError):
    """A provider did not make the clip. The message names it and says why, without addresses and keys."""

    def __init__(self, code: str, message: str, *, is_retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.is_retryable = is_retryable


class AccountRefused(RemoteFailed):
    """The provider does not take the key. Whose it is, or whose money is used up, is no concern of whoever asked for
    the clip, unless the key is their own."""

    def __init__(self, title: str, status: int) -> None:
        super().__init__(NOT_SET_UP, f"{title} does not take our account at the moment ({status}).")
        self.status = status


class Unanswered(Exception):
    """A request of which nobody knows whether the provider took it: it may be asked again only if that is harmless."""


class Busy(Exception):
    """The provider did not take the request and says that it may later: a limit of its own, or an outage.

    ``retry_after_seconds`` is what it asks to wait; None where it says nothing.
    """

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class NoSuchJob(Exception):
    """The provider knows no such job."""


def quote_provider(words: object) -> str:
    """Return what a provider says in words that can stand in ours: one line, printable, and not long."""
    text = " ".join(str(words).split())
    text = "".join(character for character in text if character.isprintable())
    return text if len(text) <= _MOST_WORDS else f"{text[:_MOST_WORDS].rstrip()} …"
