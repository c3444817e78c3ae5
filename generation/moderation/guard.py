"""The guard model: a classifier of whole texts beside the rules, asked over HTTP and within a time limit.

It speaks OpenAI's ``POST /v1/moderations``, as ``python -m gpu_worker guard`` and several services do. Where it does
not answer in time, its row says what becomes of the prompt. Without ``GUARD_URL`` there is none and nothing is asked.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from http import HTTPStatus
from typing import Any, Final

import requests
from django.conf import settings
from django.utils.translation import gettext as _

from generation.moderation.models import Guard
from generation.moderation.verdict import ALLOWED, Category, Outcome, Strictness, Verdict
from loremotion import database
from loremotion.refusals import Unavailable

MOST_AT_ONCE: Final = 8
"""Questions of one process. Who finds no place waits no longer than the time limit either."""
REST_SECONDS: Final = 2.0
"""How long nobody is asked after an answer that did not come: several clips at once wait for it once."""
_MOST_BYTES: Final = 64 * 1024
_OWN_AFFAIR: Final = frozenset({Category.SEXUAL, Category.VIOLENCE})
"""Of a workspace that is judged by the relaxed measure."""

Scores = Mapping[str, float]

logger = logging.getLogger(__name__)
_thread = threading.local()


class NoAnswer(Exception):
    """The guard model gave none that can be used; says why, and nothing of the text."""


class Away(NoAnswer):
    """It cannot be reached, whatever it is asked."""


class TooLong(NoAnswer):
    """It reads no text as long as that. Whoever writes one is not to pass by it."""


class _Rest:
    """Until when on the monotonic clock this process asks nobody."""

    until = 0.0


_rest = _Rest()


def judge(texts: Sequence[str], *, strictness: Strictness) -> Verdict:
    """Return the strictest verdict on any of ``texts``; ALLOWED where there is no guard model.

    Raises:
        Unavailable: it does not answer, and without its answer nothing is taken.
    """
    guard = Guard.objects.filter(is_enabled=True).first() if settings.GUARD_URL else None
    texts = tuple(text.strip() for text in texts if text.strip())
    if guard is None or not texts:
        return ALLOWED
    database.give_back()
    try:
        if time.monotonic() < _rest.until:
            raise NoAnswer("it gave none a moment ago")
        found = _scores(settings.GUARD_URL, guard.model, texts, guard.timeout_ms)
    except TooLong:
        return Verdict(Outcome.HELD, Category.UNJUDGED)
    except NoAnswer as problem:
        if time.monotonic() >= _rest.until:
            logger.warning("The guard model was of no use: %s", problem)
            if isinstance(problem, Away):  # else one text that takes it long would have all others pass it by
                _rest.until = time.monotonic() + REST_SECONDS
        return _unjudged(guard)
    verdicts = [_verdict(scores, guard.labels, strictness) for scores in found]
    return max(verdicts, key=lambda verdict: verdict.outcome)


def _unjudged(guard: Guard) -> Verdict:
    if guard.on_failure == Guard.OnFailure.OPEN:
        return ALLOWED
    if guard.on_failure == Guard.OnFailure.HELD:
        return Verdict(Outcome.HELD, Category.UNJUDGED)
    raise Unavailable(
        "prompt_unjudged",
        _("We can't check prompts at the moment."),
        next_step=_("Nothing was charged. Try again in a minute."),
    )


def _verdict(scores: Scores, labels: Mapping[str, Any], strictness: Strictness) -> Verdict:
    worst = ALLOWED
    for label, said in labels.items():
        category, score = Category(said["category"]), scores.get(label, 0.0)
        if strictness is Strictness.RELAXED and category in _OWN_AFFAIR:
            continue
        for outcome, bound in ((Outcome.REFUSED, "refused"), (Outcome.HELD, "held")):
            if score >= said.get(bound, 2.0) and outcome > worst.outcome:
                worst = Verdict(outcome, category)
    return worst


@lru_cache(256)
def _scores(url: str, model: str, texts: tuple[str, ...], timeout_ms: int) -> list[Scores]:
    """The scores of each text, kept for a while: a request is looked at before its files are read, and again after.

    Raises:
        NoAnswer: there is none within the time limit, or none that can be read.
    """
    asked = _executor().submit(_ask, url, model, texts, timeout_ms / 1000)
    try:
        return asked.result(timeout_ms / 1000)
    except TimeoutError:
        asked.cancel()
        raise NoAnswer(f"it took more than {timeout_ms} ms") from None


@cache
def _executor() -> ThreadPoolExecutor:
    """Threads that wait in place of the request: a limit of theirs binds each read, and none of them the whole."""
    return ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="guard")


def _ask(url: str, model: str, texts: tuple[str, ...], timeout_seconds: float) -> list[Scores]:
    headers = {"Authorization": f"Bearer {settings.GUARD_TOKEN}"} if settings.GUARD_TOKEN else {}
    body = {"input": list(texts)} | ({"model": model} if model else {})
    try:
        with _session().post(
            url, json=body, headers=headers, timeout=timeout_seconds, stream=True, allow_redirects=False
        ) as answer:
            if answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                raise TooLong("it doesn't read texts as long as that")
            if answer.status_code != 200:
                raise NoAnswer(f"it answered {answer.status_code}")
            return _read(json.loads(_body(answer)), len(texts))
    except requests.ConnectionError as problem:
        raise Away(type(problem).__name__) from None
    except (requests.RequestException, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise NoAnswer(type(problem).__name__) from None


def _body(answer: requests.Response) -> bytes:
    read = b""
    for chunk in answer.iter_content(8_192):
        read += chunk
        if len(read) > _MOST_BYTES:
            raise NoAnswer("its answer is too long")
    return read


def _read(said: Any, count: int) -> list[Scores]:
    found: list[Scores] = [
        {str(label): float(score) for label, score in each["category_scores"].items() if score is not None}
        for each in said["results"]
    ]
    if len(found) != count:
        raise NoAnswer(f"it answered about {len(found)} of {count} texts")
    return found


def _session() -> requests.Session:
    """This thread's own, which keeps its connection."""
    if not hasattr(_thread, "session"):
        _thread.session = requests.Session()
        _thread.session.trust_env = False  # neither a proxy nor .netrc stands between
    session: requests.Session = _thread.session
    return session
