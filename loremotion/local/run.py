"""``make run``: the site in the foreground, every line of every process on the terminal, until Ctrl-C."""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
import sys
from pathlib import Path

from loremotion.local import imitation, orphans, preflight, preparation
from loremotion.local.environment import ROOT, environment_of, environments_of, save, settings_of
from loremotion.local.processes import Processes
from loremotion.local.stack import procfile
from loremotion.local.stores import Stores


def run(folder: Path) -> int:
    """Start everything, keep it in ``folder``, and stay until it is stopped.

    Returns the exit status: 0 when a person stopped it, and otherwise that of the process that ended. ``DATABASE_URL``
    and ``REDIS_URL`` name stores of one's own; other settings in the environment win over a fresh machine's as well.

    Raises:
        CannotStart: with one line that says what is in the way.
    """
    port = preflight.port_of(os.environ)
    has_imitation = imitation.is_wanted(os.environ.get("STRIPE", ""))
    folder.mkdir(parents=True, exist_ok=True)
    preflight.check_disk(folder)
    with preflight.alone_in(folder):
        os.environ[orphans.MARK] = mark = secrets.token_hex(8)
        watcher = orphans.start_watcher(mark)
        stores = Stores(
            folder, database_url=os.environ.get("DATABASE_URL", ""), redis_url=os.environ.get("REDIS_URL", "")
        )
        try:
            print("Starting the stores and preparing the database …", flush=True)
            stores.start()
            settings = settings_of(folder, port=port, stores=stores, chosen=os.environ)
            further = {}
            if has_imitation:
                settings |= imitation.settings_of(folder)
                further["imitation"] = imitation.command(folder, settings)
            if (guard := os.environ.get("GUARD_MODEL")) and not os.environ.get("GUARD_URL"):
                further["guard"] = f"python -m gpu_worker guard --model {shlex.quote(guard)}"
            save(settings, folder / "environment")
            environment = environment_of(settings)
            preparation.prepare(folder, environment)
            commands = procfile() | further
            processes = Processes(commands, environments_of(commands, environment, stores))
            # A process of its own: honcho forks, and a thread of ours would be forked with it.
            welcome = [sys.executable, "-m", "loremotion.local.welcome", settings["SITE_URL"], str(folder)]
            subprocess.Popen(welcome, cwd=ROOT, env=environment)
            return processes.run()
        finally:
            stores.stop()
            orphans.end(mark)
            watcher.kill()
            watcher.wait()
