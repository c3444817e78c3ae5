"""The first words of a running site. Run as ``python -m loremotion.local.welcome URL FOLDER``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from loremotion.local.preparation import STAFF_EMAIL, staff_password
from loremotion.local.stack import site_answers

WORDS = """
  LoreMotion is at  {url}

    Staff login     {url}/admin/   {email}   {password}
    Try             type "a red circle moving right on a black background", press Generate, watch
    Mail            {url}/mail/   what the site would send, such as codes to sign in
    Headless        make demo PROMPT="a red circle moving right on a black background"
    Stop            Ctrl-C
"""


def welcome(url: str, folder: Path, timeout_seconds: float = 60.0) -> bool:
    """Print address, login and what to try as soon as the site answers. False: it did not in time."""
    deadline = time.monotonic() + timeout_seconds
    while not site_answers(url):
        if time.monotonic() > deadline:
            print(f"The site at {url} does not answer yet; its own lines above say why.", flush=True)
            return False
        time.sleep(0.1)
    print(WORDS.format(url=url, email=STAFF_EMAIL, password=staff_password(folder)), flush=True)
    return True


if __name__ == "__main__":
    sys.exit(not welcome(sys.argv[1], Path(sys.argv[2])))
