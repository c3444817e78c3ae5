"""Fills the site that the environment names, says so, and sends heartbeats until it is ended."""

from __future__ import annotations

import logging
import sys

import django


def main() -> None:
    django.setup()
    from tests.lifelike import month, workers

    logging.disable(logging.WARNING)
    month.fill()
    sys.stdout.write("filled\n")
    sys.stdout.flush()
    workers.beat_for_ever()


if __name__ == "__main__":
    main()
