"""Whether this web process can serve: both stores answer."""

from __future__ import annotations

import redis
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

from loremotion import valkey


def healthz(request: HttpRequest) -> JsonResponse:
    """200 and ``{"database": true, "valkey": true}``, or 503 with whichever is away."""
    checks = {"database": _database_answers(), "valkey": _valkey_answers()}
    return JsonResponse(checks, status=200 if all(checks.values()) else 503)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    except DatabaseError:
        return False


def _valkey_answers() -> bool:
    try:
        return bool(valkey.connection().ping())
    except redis.RedisError:
        return False
