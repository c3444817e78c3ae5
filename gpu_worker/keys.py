"""``python -m gpu_worker keys FILE``: a new pair for keys that workspaces bring, see ``gpu_worker.sealed_keys``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from gpu_worker.sealed_keys import add_private_key


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m gpu_worker keys",
        description="Make a pair of keys, with which workspaces' own keys for providers are sealed. Its private half "
        "becomes the first line of FILE, which REMOTE_KEYS_PRIVATE names on the hosts of remote workers; former ones "
        "stay below it. The public half is printed, for the website.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    path = parser.parse_args(arguments).file
    try:
        public = add_private_key(path)
    except OSError as problem:
        sys.stderr.write(f"{problem.filename or path}: {problem.strerror}\n")
        return os.EX_CANTCREAT
    sys.stdout.write(f"REMOTE_KEYS_PUBLIC={public}\n")
    return os.EX_OK
