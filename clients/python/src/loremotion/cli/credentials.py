"""The site and the key that ``loremotion login`` keeps for this user of the machine."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import click


@dataclass(frozen=True, slots=True)
class Credentials:
    site: str
    api_key: str


def path() -> Path:
    """Where they are: in the user's folder for configuration, by the custom of the system."""
    return Path(click.get_app_dir("loremotion")) / "credentials.json"


def load() -> Credentials | None:
    """What was kept; None where nothing is, or nothing that can be read."""
    try:
        said = json.loads(path().read_text())
        return Credentials(site=str(said["site"]), api_key=str(said["api_key"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(credentials: Credentials) -> None:
    """Keep them in a file that nobody else on the machine can read, at any moment."""
    path().parent.mkdir(parents=True, exist_ok=True)
    draft = path().with_suffix(f".{os.getpid()}.part")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(credentials), file)
    draft.replace(path())


def forget() -> bool:
    """Delete them. Returns whether there were any."""
    try:
        path().unlink()
    except FileNotFoundError:
        return False
    return True
