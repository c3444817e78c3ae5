"""Accounts with providers: one TOML file on the remote worker's host, which nobody else needs to read.

    [google]
    provider = "veo"
    key_file = "/run/secrets/google"

    [studio]
    provider = "openai"
    url = "https://video.example.com/v1"
    key_variable = "STUDIO_KEY"
    is_idempotent = true

A row's source names an account, so where a key goes is decided here and nowhere else.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

PROVIDERS: Final = {
    "openai": "",
    "veo": "https://generativelanguage.googleapis.com/v1beta",
    "kling": "https://api.klingai.com",
    "ltx": "https://api.ltx.video",
}
"""Provider → its address; empty where an account has to name one."""
TITLES: Final = {"openai": "", "veo": "Google", "kling": "Kling", "ltx": "LTX"}
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
_KEYS: Final = {
    "provider", "url", "key", "key_file", "key_variable", "secret", "secret_file", "secret_variable", "is_idempotent",
    "poll_seconds", "fields", "title",
}  # fmt: skip


class AccountsRefused(Exception):
    """The file cannot be used. The message names the account, what is wrong and what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account with one provider."""

    name: str
    provider: str
    url: str
    """Without a slash at its end."""
    title: str
    """Whose it is, in people's words."""
    key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    """The second half of Kling's keys."""
    is_idempotent: bool = False
    """Whether a start that is sent twice under one ``Idempotency-Key`` makes one clip: so at a LoreMotion site."""
    poll_seconds: float = 5.0
    fields: tuple[str, ...] = ()
    """What an OpenAI-shaped server takes besides: ``seed``, ``negative_prompt``, ``fps``, ``num_frames``."""


def read(path: Path, environment: Mapping[str, str] | None = None) -> dict[str, Account]:
    """Return the accounts of a file by name.

    Raises:
        AccountsRefused: there is none that can be used, or one that cannot.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise AccountsRefused(f"The file of accounts cannot be read: {problem.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise AccountsRefused(f"The file of accounts is no TOML: {problem}.") from None
    if not document:
        raise AccountsRefused('The file names no account: begin one with [name] and provider = "veo".')
    return {
        name: _account(name, said, os.environ if environment is None else environment)
        for name, said in document.items()
    }


def _account(name: str, said: Any, environment: Mapping[str, str]) -> Account:
    if not _NAME.fullmatch(name) or not isinstance(said, dict):
        raise AccountsRefused(f"[{name}] is no account: small letters, digits, dots and hyphens, in brackets.")
    if unknown := set(said) - _KEYS:
        raise AccountsRefused(f"[{name}] has no {', '.join(sorted(unknown))}; it takes {', '.join(sorted(_KEYS))}.")
    provider = said.get("provider")
    if provider not in PROVIDERS:
        raise AccountsRefused(f"[{name}] needs a provider: one of {', '.join(PROVIDERS)}.")
    url = str(said.get("url") or PROVIDERS[provider]).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise AccountsRefused(f'[{name}] needs an address: url = "https://host/v1".')
    poll_seconds = said.get("poll_seconds", 5.0)
    if not isinstance(poll_seconds, int | float) or not 0.5 <= poll_seconds <= 60:
        raise AccountsRefused(f"[{name}] poll_seconds is a number from 0.5 to 60.")
    account = Account(
        name=name,
        provider=provider,
        url=url,
        title=str(said.get("title") or TITLES[provider] or parts.hostname),
        key=_secret(name, "key", said, environment),
        secret=_secret(name, "secret", said, environment),
        is_idempotent=said.get("is_idempotent") is True,
        poll_seconds=float(poll_seconds),
        fields=tuple(map(str, said.get("fields", ()))),
    )
    if not account.key and provider != "openai":
        raise AccountsRefused(f"[{name}] needs a key: key_file, key_variable or key.")
    if not account.secret and provider == "kling":
        raise AccountsRefused(f"[{name}] needs a secret too: Kling's keys are an access key and a secret key.")
    return account


def _secret(name: str, kind: str, said: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    if variable := said.get(f"{kind}_variable"):
        value = environment.get(str(variable), "").strip()
        if not value:
            raise AccountsRefused(f"[{name}] {kind}_variable: {variable} is not set.")
        return value
    if file := said.get(f"{kind}_file"):
        try:
            return Path(str(file)).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise AccountsRefused(f"[{name}] {kind}_file cannot be read.") from None
    return str(said.get(kind, "")).strip()
