"""The processes of ``make run`` under honcho: when one ends, all end, and the reason is said."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from honcho.manager import Manager
from honcho.printer import Printer

from loremotion.local.environment import ROOT


class Processes(Manager):  # type: ignore[misc]  # honcho has no types
    """Runs until a person stops it or one of them ends, which honcho itself tells apart by the exit status alone."""

    def __init__(self, commands: Mapping[str, str], environments: Mapping[str, Mapping[str, str]]) -> None:
        super().__init__(Printer(sys.stdout))
        self.first_ended = ""
        """The process that ended by itself and took the others with it; empty where a person stopped them."""
        for name, command in commands.items():
            self.add_process(name, f"exec {command}", env=dict(environments[name]), cwd=str(ROOT))

    def terminate(self) -> None:
        """End them all: honcho calls it when the first has ended, and when a signal comes."""
        if not self._terminating:
            ended = (name for name, process in self._processes.items() if process.get("returncode") is not None)
            self.first_ended = next(ended, "")
        super().terminate()

    def run(self) -> int:
        """Start them and stay until all have ended. Returns the exit status: 0 when a person stopped them."""
        self.loop()
        if not self.first_ended:
            return 0
        status = int(self._processes[self.first_ended]["returncode"])
        print(f"Stopped, because {self.first_ended} ended with status {status}: its lines are above.", flush=True)
        return 128 - status if status < 0 else status or 1
