"""A site with a month of life in it, for looking at the admin: ``make staff``, until Ctrl-C.

``python -m tests.staff_site FOLDER`` keeps it in a folder and finds it there again.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from loremotion.local.environment import ROOT
from loremotion.local.preparation import STAFF_EMAIL, staff_password
from loremotion.local.stack import Stack

PROCESSES = ("web", "reports", "signing", "stripe", "webhooks", "mail", "beat")
"""All but a GPU: its workers are heartbeats alone, so that three cards are on and one clip stays in hand."""


@contextlib.contextmanager
def running(folder: Path, port: int | None = None) -> Iterator[Stack]:
    """A whole site in ``folder`` that ``tests.lifelike`` has filled and keeps beating, while the block lasts."""
    with Stack(folder, processes=(), port=port) as stack:
        environment = {**stack.environment, "DJANGO_SETTINGS_MODULE": "loremotion.settings", "PYTHONPATH": str(ROOT)}
        life = subprocess.Popen(
            [sys.executable, "-m", "tests.lifelike"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        )
        try:
            assert life.stdout is not None
            if life.stdout.readline() != "filled\n":
                raise RuntimeError("The site could not be filled; its own lines above say why.")
            for name in PROCESSES:
                stack.launch(name)
            stack.wait_for_site()
            yield stack
        finally:
            life.terminate()
            life.wait()


def main() -> int:
    port = int(os.environ.get("PORT", "8001"))
    with contextlib.ExitStack() as held:
        folder = sys.argv[1] if sys.argv[1:] else held.enter_context(tempfile.TemporaryDirectory())
        stack = held.enter_context(running(Path(folder), port))
        sys.stdout.write(
            f"\n  The admin is at {stack.url}/admin/\n\n    Login   {STAFF_EMAIL}   {staff_password(Path(folder))}\n"
            "    Stop    Ctrl-C\n\n"
        )
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
