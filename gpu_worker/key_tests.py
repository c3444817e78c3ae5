"""A test of a key that a workspace brought, beside whatever the worker is at: a provider may take a minute."""

from __future__ import annotations

import logging
import threading
from typing import Any, Final

from gpu_worker.contract import KeyTest, OwnKey
from gpu_worker.render_engine import OpensKeys, RenderEngine
from gpu_worker.reports import Reports

logger = logging.getLogger(__name__)

MOST_AT_ONCE: Final = 4
"""In one process; what comes meanwhile is not answered, and whoever asked is told so."""
_places = threading.BoundedSemaphore(MOST_AT_ONCE)


def begin(engine: RenderEngine, reports: Reports, command: dict[str, Any]) -> None:
    """Test the key that the command names on a thread of its own, and report what came of it.

    Raises:
        KeyError, ValueError: the command cannot be read.
    """
    account, number, secret = str(command["account"]), int(command["number"]), str(command["secret"])
    try:
        own_key = OwnKey.from_wire(command["key"])
    except TypeError as problem:
        raise ValueError(str(problem)) from None
    if not isinstance(engine, OpensKeys) or not _places.acquire(blocking=False):
        return

    def test() -> None:
        try:
            result, words = engine.test_key(own_key, account)
        except Exception as problem:  # its text may hold anything
            logger.error("The test of the key %s failed: %s", own_key.id, type(problem).__name__)
            result, words = KeyTest.UNTOLD, "The remote worker met an error of its own."
        finally:
            _places.release()
        reports.key_tested(own_key.id, number, secret, result, words)

    threading.Thread(target=test, name="key-test", daemon=True).start()
