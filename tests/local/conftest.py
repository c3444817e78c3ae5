"""Helpers for tests that start real processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import psutil
import pytest

from tests.patience import PATIENCE_SECONDS

OURS = ("DATABASE_URL", "REDIS_URL", "MEDIA_DIR", "SECRET_KEY", "PORT", "SITE_URL")


def until(claim: Callable[[], bool], timeout_seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether ``claim`` comes true in time."""
    deadline = time.monotonic() + timeout_seconds
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def newcomer() -> dict[str, str]:
    """The environment of somebody who has set nothing."""
    return {name: value for name, value in os.environ.items() if name not in OURS and not name.startswith("DJANGO_")}
