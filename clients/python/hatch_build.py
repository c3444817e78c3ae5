"""Makes the package's description of its README: what that links to beside itself, an index of packages hasn't got.

With ``README_BASE`` set, the address under which the files of this folder are published, links lead there; without it,
the picture is left out and the words of links stay.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!\w+:|#)([^)]+)\)")
"""A link to a file, and not to an address or within the page."""


def described(text: str, base: str) -> str:
    """The README as it is read from elsewhere."""

    def link(found: re.Match[str]) -> str:
        mark, words, path = found.groups()
        if base:
            return f"{mark}[{words}]({urljoin(base.rstrip('/') + '/', path)})"
        return "" if mark else words

    return _LINK.sub(link, text)


class Description(MetadataHookInterface):
    def update(self, metadata: dict[str, Any]) -> None:
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        words = described(text, os.environ.get("README_BASE", ""))
        metadata["readme"] = {"content-type": "text/markdown", "text": words}
