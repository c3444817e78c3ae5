"""Whom a patient site waits for: a silent server for each, of which the environment names the address."""

from __future__ import annotations

import json
import os
from typing import Final

VARIABLE: Final = "SILENT_SERVERS"
PROVIDERS, BUCKET, HASHES = "providers", "bucket", "hashes"
SANDBOXES = ("picture_sandbox", "inspection_sandbox", "media_sandbox")
"""The programs that read files, by the names of their modules."""
NAMES = (PROVIDERS, BUCKET, HASHES, *SANDBOXES)


def address_of(name: str) -> str:
    return str(json.loads(os.environ[VARIABLE])[name])
