"""The command ``loremotion``."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the command. Without its own libraries, say how they are installed."""
    try:
        from loremotion.cli.commands import loremotion
    except ModuleNotFoundError as missing:
        if missing.name not in ("click", "rich", "PIL"):
            raise
        sys.exit("The command needs a few more packages: pip install 'loremotion[cli]'")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a prompt may hold letters that this terminal hasn't
            stream.reconfigure(errors="replace")
    loremotion()
