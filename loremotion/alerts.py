"""What is critical reaches whoever runs the site: by mail to ``ADMINS``, and to Sentry where ``SENTRY_DSN`` is set.

Neither goes through the database or waits for anybody: what is told may be that one of them is away.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

AGAIN_AFTER_SECONDS: Final = 3600
WAITING: Final = 20
"""Mails that wait for a slow server; what is critical besides them is in the log."""

logger = logging.getLogger(__name__)
_sender = ThreadPoolExecutor(max_workers=1, thread_name_prefix="alerts")
_unsent: dict[str, Future[None]] = {}
"""Kind → its mail that is being sent."""
_quiet_until: dict[str, float] = {}
"""Kind → until when this process tells no more of it, while Valkey cannot say so for all of them."""


class AdminMailHandler(logging.Handler):
    """Mails each kind of critical line to ``ADMINS`` once an hour, from a thread of its own.

    A kind is what the code says, whatever it says it of: a fault that goes on for a day fills no mailbox.
    """

    def __init__(self) -> None:
        super().__init__(level=logging.CRITICAL)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            kind = f"{record.name}:{record.msg}"
            for over in [known for known, sending in _unsent.items() if sending.done()]:
                _unsent.pop(over, None)
            if settings.ADMINS and kind not in _unsent and len(_unsent) < WAITING:
                _unsent[kind] = _sender.submit(_mail, kind, record.getMessage())
        except Exception:
            self.handleError(record)


def wait() -> None:
    """Return once what was critical so far has been handed to the mail server, or could not be."""
    for sending in list(_unsent.values()):
        sending.result()


def _mail(kind: str, line: str) -> None:
    from django.core.mail import mail_admins

    if not _is_news(kind):
        return
    site = urlsplit(settings.SITE_URL).netloc
    words = f"{line}\n\nOn {site}. The log says more, and {settings.SITE_URL}/admin/system/ how things stand now.\n"
    try:
        mail_admins(" ".join(line.split())[:150], words)
    except Exception as problem:  # the log has the line; a thread that dies of this would tell nothing any more
        logger.warning("The operator could not be told by mail: %s", problem)


def _is_news(kind: str) -> bool:
    from loremotion.valkey import connection, digest

    try:
        return bool(connection().set(f"alert:{digest(kind)}", 1, nx=True, ex=AGAIN_AFTER_SECONDS))
    except redis.RedisError:
        now = time.monotonic()
        is_news = now >= _quiet_until.get(kind, 0.0)
        if is_news:
            _quiet_until[kind] = now + AGAIN_AFTER_SECONDS
        return is_news


def start_sentry(dsn: str) -> None:
    """Have Sentry told of errors: what broke and where. Nothing that anybody wrote, sent or is known by goes along.

    Raises:
        ImproperlyConfigured: the package is not installed.
    """
    try:
        import sentry_sdk
        from sentry_sdk.integrations.logging import LoggingIntegration
    except ImportError as problem:
        raise ImproperlyConfigured("SENTRY_DSN: install requirements/sentry.txt first.") from problem
    sentry_sdk.init(
        dsn=dsn,
        integrations=[LoggingIntegration(level=None, event_level=logging.ERROR)],
        before_send=lambda event, hint: scrub(event),  # type: ignore[arg-type, return-value]  # a dictionary is all it is
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        traces_sample_rate=0,
        auto_session_tracking=False,
    )


def scrub(event: dict[str, Any]) -> dict[str, Any]:
    """The event with nothing but the words of our own code: prompts, addresses and secrets are in all the rest."""
    request = event.get("request", {})
    event["request"] = {"method": request.get("method"), "url": request.get("url", "").partition("?")[0]}
    for part in ("user", "extra", "breadcrumbs", "contexts", "modules", "server_name"):
        event.pop(part, None)
    if "logentry" in event:
        event["logentry"] = {"message": event["logentry"].get("message", "")}
    for exception in event.get("exception", {}).get("values", []):
        exception["value"] = "(not sent)"
        for frame in (exception.get("stacktrace") or {}).get("frames", []):
            frame.pop("vars", None)
    return event
