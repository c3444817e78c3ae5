"""Versions of the API, and what of it is on its way out.

A version is the day from which it holds. Answers say which one they are of, and whoever needs a certain one asks for it
by the same header. Within a version fields are added and none is changed or taken away; what is to go says so on every
answer, for as long as ``LEAST_NOTICE``, by RFC 9745 and RFC 8594.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date

from loremotion.errors import is_api, refuse
from loremotion.parameters import printable
from loremotion.refusals import Refusal

HEADER: Final = "LoreMotion-Version"
VERSIONS: Final = ("2026-11-30",)
"""Those that are answered, the newest last: what whoever names none is answered by."""
LEAST_NOTICE: Final = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Deprecated:
    """An address that will be gone, and what stands in its place."""

    since: date
    until: date
    section: str
    """Where on the page of the API it says what to do instead."""

    def __post_init__(self) -> None:
        if self.until - self.since < LEAST_NOTICE:
            raise ValueError(f"Whoever uses it has {LEAST_NOTICE.days} days at least.")

    @property
    def headers(self) -> dict[str, str]:
        page = f"{settings.SITE_URL}/developers/#{self.section}"
        return {
            "Deprecation": f"@{_seconds(self.since)}",
            "Sunset": http_date(_seconds(self.until)),
            "Link": f'<{page}>; rel="deprecation", <{page}>; rel="sunset"',
        }


DEPRECATED: Mapping[str, Deprecated] = MappingProxyType({})
"""By the name of the address in ``urls``. None at present."""


class ApiVersionMiddleware:
    """Names the version of each answer under ``/v1/``, and refuses to answer by one that there is not."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_api(request.path):
            return self.get_response(request)
        wanted = request.headers.get(HEADER, VERSIONS[-1])
        if wanted in VERSIONS:
            response = self.get_response(request)
        else:
            wanted, said = VERSIONS[-1], wanted
            response = refuse(request, _unknown(said))
        response[HEADER] = wanted
        name = request.resolver_match.view_name if request.resolver_match is not None else ""
        for header, value in DEPRECATED[name].headers.items() if name in DEPRECATED else ():
            response[header] = value
        return response


def _unknown(said: str) -> Refusal:
    return Refusal(
        "unknown_version",
        f"There is no version {printable(said)[:40]!r} of this API.",
        next_step=f"Leave {HEADER} out, or send one of: {', '.join(VERSIONS)}.",
        field=HEADER,
    )


def _seconds(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())
