"""Secrets that a fresh machine makes once and keeps for itself."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def secret(folder: Path, name: str, *, chance_bytes: int = 48) -> str:
    """The secret called ``name``, made on first use. Only the owner can read its file (0600).

    Args:
        chance_bytes: how much chance is in a new one; the text is a third longer.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / name
    if not path.exists():
        write_secretly(path, secrets.token_urlsafe(chance_bytes))
    return path.read_text().strip()


def write_secretly(path: Path, text: str) -> None:
    """Write ``text`` where only the owner can read it: whole or not at all, also when the power goes."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
