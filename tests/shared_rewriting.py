"""The processes of a run share what costs most of a collection on a fresh checkout: rewriting the tests' assertions.

pytest rewrites the assertions of a module as it is imported, and keeps the result for the next import. Processes that
begin together import the same modules in the same order, so each would come to each of them before any has kept it,
and do the whole: half a minute with the imports, where a quarter is enough. So each imports a share of its own first.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    worker: dict[str, str] | None = getattr(session.config, "workerinput", None)
    is_whole_run = [Path(named).resolve() for named in session.config.args] == [TESTS]
    if worker is None or not is_whole_run or sys.dont_write_bytecode:
        return
    number, count = int(worker["workerid"].removeprefix("gw")), int(worker["workercount"])
    modules = sorted((*TESTS.glob("test_*.py"), *TESTS.glob("*/test_*.py")))
    capture = session.config.pluginmanager.getplugin("capturemanager")
    capture.resume_global_capture()  # as during a collection: libraries have much to say as they are imported
    for path in modules[number::count]:
        name = ".".join(path.relative_to(TESTS.parent).with_suffix("").parts)
        with suppress(Exception, pytest.skip.Exception):  # the collection meets it again, and says so
            importlib.import_module(name)
    capture.suspend_global_capture()
    capture.read_global_capture()
