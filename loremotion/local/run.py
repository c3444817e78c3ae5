"""``make run``: the site in the foreground, every line of every process on the terminal, until Ctrl-C."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from honcho.manager import Manager
from honcho.printer import Printer

from loremotion.local import imitation, orphans, preflight, preparation
from loremotion.local.environment import ROOT, environment_of, save, settings_of
from loremotion.local.stack import procfile
from loremotion.local.stores import Stores

ASKED_TO_STOP = {128 + signal.SIGINT, 128 + signal.SIGTERM}


def run(folder: Path) -> int:
    """Start everything, keep it in ``folder``, and stay until it is stopped.

    Returns the exit status: 0 when a person stopped it. ``DATABASE_URL`` and ``REDIS_URL`` name stores of one's own;
    other settings in the environment win over a fresh machine's as well.

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
                further["stripe"] = imitation.command(folder, settings)
            save(settings, folder / "environment")
            environment = environment_of(settings)
            preparation.prepare(folder, environment)
            return _run_processes(folder, environment, settings["SITE_URL"], procfile() | further)
        finally:
            stores.stop()
            orphans.end(mark)
            watcher.kill()
            watcher.wait()


def _run_processes(folder: Path, environment: Mapping[str, str], url: str, commands: Mapping[str, str]) -> int:
    """Every process under honcho: when one ends, all end."""
    manager = Manager(Printer(sys.stdout))
    for name, command in commands.items():
        manager.add_process(name, f"exec {command}", env=dict(environment), cwd=str(ROOT))
    # A process of its own: honcho forks, and a thread of ours would be forked with it.
    subprocess.Popen([sys.executable, "-m", "loremotion.local.welcome", url, str(folder)], cwd=ROOT, env=environment)
    manager.loop()
    status = int(manager.returncode or 0)
    return 0 if status in ASKED_TO_STOP else status or 1
