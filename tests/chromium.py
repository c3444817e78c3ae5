"""A real browser for tests: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.patience import PATIENCE_SECONDS

LAUNCHER = Path(__file__).with_suffix(".sh")
"""Starts what ``executable`` has found."""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def executable() -> str | None:
    """Where the browser is, or None on a machine without one."""
    return shutil.which("chromium") or shutil.which("google-chrome")


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless browser for as long as the block lasts."""
    # Playwright's loop runs in this thread, which Django would take for a coroutine that touches the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    try:
        with sync_playwright() as playwright:
            expect.set_options(timeout=1000 * PATIENCE_SECONDS)
            browser = playwright.chromium.launch(
                executable_path=LAUNCHER,
                env={**os.environ, "CHROMIUM_OF_TESTS": executable() or ""},
                headless=True,
                args=FLAGS,
                timeout=1000 * PATIENCE_SECONDS,
            )
            yield browser
            browser.close()
    finally:
        os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE")
