"""Finds an API key with its workspace by what was sent: one indexed query, for every request of a program."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from django.utils import timezone

from accounts.models import ApiKey, Workspace
from loremotion.prepared import prepared_cursor
from loremotion.table_rows import Columns

_KEY, _WORKSPACE = Columns(ApiKey, "apikey"), Columns(Workspace, "workspace")
_BY_PREFIX: Final = f"""
SELECT {_KEY.sql}, {_WORKSPACE.sql}
FROM accounts_apikey apikey JOIN accounts_workspace workspace ON workspace.id = apikey.workspace_id
WHERE apikey.prefix = %s
"""  # noqa: S608 - made of names of columns
_BY_TOKEN: Final = f"""
SELECT {_KEY.sql}, {_WORKSPACE.sql}, token.scopes
FROM allauth_idp_oidc_token token
JOIN accounts_user person ON person.id = token.user_id AND person.is_active
JOIN accounts_apikey apikey ON apikey.id = (token.data ->> 'key')::bigint
JOIN accounts_workspace workspace ON workspace.id = apikey.workspace_id
WHERE token.type = 'at' AND token.hash = %s AND token.expires_at > %s
"""  # noqa: S608 - made of names of columns


def by_prefix(prefix: str) -> ApiKey | None:
    """The key that a text begins with; what proves it is the caller's to compare."""
    row = _row(_BY_PREFIX, prefix)
    return _read(row) if row is not None else None


def by_token(sent: str) -> ApiKey | None:
    """The connection that an access token is of, unless the token has lapsed or its person may not sign in. Of its
    scopes it has those that the token has: an app may ask for one that does less (RFC 6749, section 6)."""
    row = _row(_BY_TOKEN, digest_of(sent), timezone.now())
    if row is None:
        return None
    key, granted = _read(row), row[-1].split("\n")
    key.scopes = [scope for scope in key.scopes if scope in granted]
    return key


def digest_of(text: str) -> str:
    """What is stored of a key's text, and of a token."""
    return hashlib.sha256(text.encode()).hexdigest()


def _row(statement: str, *values: object) -> Sequence[Any] | None:
    with prepared_cursor() as cursor:
        cursor.execute(statement, list(values))
        row: Sequence[Any] | None = cursor.fetchone()
    return row


def _read(row: Sequence[Any]) -> ApiKey:
    key = _KEY.read(row)
    key.workspace = _WORKSPACE.read(row, first=_KEY.count)
    return key
