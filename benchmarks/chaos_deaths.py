"""What befalls the processes of ``benchmarks.chaos``, and what whoever runs them does then: starts them again."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable

import psutil

from benchmarks.chaos_plan import PROCESSES
from loremotion.local.stack import Stack


class Deaths:
    """Each act takes effect at once; its end is due ``seconds`` later, when ``heal_due`` is called."""

    def __init__(self, stack: Stack) -> None:
        assert stack.stores.postgres is not None
        assert stack.stores.valkey is not None
        self.stack = stack
        self.postgres, self.valkey = stack.stores.postgres, stack.stores.valkey
        self._ends: dict[str, tuple[float, Callable[[], None]]] = {}
        """Whom something has befallen → when that ends, and how."""
        self.forgets = 0
        """How often Valkey has come back empty."""

    # --- processes -------------------------------------------------------------------------------------------------

    def kill(self, process: str, seconds: float) -> bool:
        """SIGKILL it and all its children. Returns whether there was something to kill; so do the others."""
        if not self._is_up(process):
            return False
        self.stack.kill(process)
        self._later(process, seconds, lambda: self.stack.launch(process))
        return True

    def kill_render(self) -> bool:
        """The GPU worker itself, below its supervisor, which starts another."""
        if not self._is_up("gpu"):
            return False
        children = psutil.Process(self.stack.pid("gpu")).children()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        return bool(children)

    def end(self, process: str, seconds: float) -> bool:
        """SIGTERM, as an upgrade does it; who has not ended within its grace is killed."""
        if not self._is_up(process):
            return False
        os.kill(self.stack.pid(process), signal.SIGTERM)
        pid, began = self.stack.pid(process), time.monotonic()

        def start_again() -> None:
            while self.stack.is_running(process) and time.monotonic() < began + GRACE_SECONDS:
                time.sleep(0.05)
            if self.stack.is_running(process):
                assert self.stack.pid(process) == pid
                self.stack.kill(process)
            self.stack.launch(process)

        self._later(process, seconds, start_again)
        return True

    def stop(self, process: str, seconds: float) -> bool:
        """SIGSTOP: it holds whatever it holds, says nothing, and goes on later as if nothing had been."""
        if not self._is_up(process):
            return False
        root = psutil.Process(self.stack.pid(process))
        family = [root, *root.children(recursive=True)]
        self._signal(family, signal.SIGSTOP)
        self._later(process, seconds, lambda: self._signal(family, signal.SIGCONT))
        return True

    # --- stores ----------------------------------------------------------------------------------------------------

    def kill_valkey(self, seconds: float, forgets: bool) -> bool:
        if "valkey" in self._ends:
            return False
        self.valkey.kill(forgets=forgets)
        self.forgets += forgets
        self._later("valkey", seconds, self.valkey.start)
        return True

    def kill_postgres(self, seconds: float) -> bool:
        if "postgres" in self._ends:
            return False
        self.postgres.kill()
        self._later("postgres", seconds, self.postgres.start)
        return True

    def stop_postgres(self, seconds: float) -> bool:
        """As a database whose machine does not answer: connections stay open."""
        if "postgres" in self._ends or self.postgres.process is None:
            return False
        root = psutil.Process(self.postgres.process.pid)
        family = [root, *root.children(recursive=True)]
        self._signal(family, signal.SIGSTOP)
        self._later("postgres", seconds, lambda: self._signal(family, signal.SIGCONT))
        return True

    # --- their end -------------------------------------------------------------------------------------------------

    def heal_due(self, *, everything: bool = False) -> list[str]:
        """End what is due, or all of it, and start whatever has ended by itself. Returns who is back."""
        back = []
        # Stores first: whoever is started needs them.
        for name in sorted(self._ends, key=lambda name: (name not in ("postgres", "valkey"), name)):
            at, end = self._ends[name]
            if everything or time.monotonic() >= at:
                del self._ends[name]
                end()
                back.append(name)
        for process in PROCESSES:
            if process not in self._ends and not self.stack.is_running(process):
                self.stack.launch(process)
                back.append(process)
        return back

    def _is_up(self, process: str) -> bool:
        return process not in self._ends and self.stack.is_running(process)

    def _later(self, name: str, seconds: float, end: Callable[[], None]) -> None:
        self._ends[name] = (time.monotonic() + seconds, end)

    def _signal(self, family: list[psutil.Process], number: signal.Signals) -> None:
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(number)


GRACE_SECONDS = 12.0
"""As a runner's: longer than the worker's own (``GPU_WORKER_GRACE_SECONDS``) and uvicorn's."""
