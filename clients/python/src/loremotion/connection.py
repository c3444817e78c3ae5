"""Where the site is, and with what a client comes to it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

import httpx

from loremotion.errors import NotConfigured
from loremotion.version import __version__

API_KEY = "LOREMOTION_API_KEY"
FORMER_API_KEY = "LOREMOTION_KEY"
"""The name that the site's pages had for it. Taken for one release more, with a warning."""
BASE_URL = "LOREMOTION_BASE_URL"
TIMEOUT_SECONDS = 60.0
SILENCE_SECONDS = 45.0
"""Longest silence of an event stream: the site says something every 15 s."""


def options_of(api_key: str | None, base_url: str | None, timeout_seconds: float) -> dict[str, Any]:
    """Arguments for ``httpx.Client``; what is None comes from the environment.

    Raises:
        NotConfigured: no key, or no site.
    """
    key, url = api_key or os.environ.get(API_KEY) or _former_key(), base_url or os.environ.get(BASE_URL)
    key, url = (key or "").strip(), (url or "").strip()
    if not key:
        raise NotConfigured(f"No API key: pass api_key=, or set {API_KEY}. The site makes one under API keys.")
    if not url:
        raise NotConfigured(f"No site: pass base_url=, or set {BASE_URL}, such as https://clips.example.")
    if not (key.isascii() and key.isprintable()):
        raise NotConfigured("The API key has characters that none has: copy it again.")
    headers: Mapping[str, str] = {"Authorization": f"Bearer {key}", "User-Agent": f"loremotion-python/{__version__}"}
    timeout = httpx.Timeout(timeout_seconds, connect=10.0)
    return {"base_url": _base_of(url), "headers": headers, "timeout": timeout, "follow_redirects": False}


def _former_key() -> str | None:
    key = os.environ.get(FORMER_API_KEY)
    if key:
        warnings.warn(f"{FORMER_API_KEY} is called {API_KEY} now: rename the variable.", FutureWarning, stacklevel=4)
    return key


def trimmed(address: str) -> str:
    """A site's address, also where it is given as OpenAI's clients take it, with the API's ``/v1``."""
    return address.strip().rstrip("/").removesuffix("/v1").rstrip("/")


def _base_of(address: str) -> str:
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise NotConfigured(f"base_url is {address!r}, which is no site's address such as https://clips.example.")
    return trimmed(address)
