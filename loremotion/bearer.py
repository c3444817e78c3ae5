"""Keys and access tokens in the header ``Authorization`` (RFC 6750)."""

from __future__ import annotations


def token_in(header: str) -> str:
    """Return what the header bears, however its scheme and its spaces are spelt; empty where it bears nothing."""
    scheme, _space, sent = header.partition(" ")
    return sent.strip() if scheme.lower() == "bearer" else ""
