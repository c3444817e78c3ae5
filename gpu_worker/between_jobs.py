"""What a worker does between two jobs, on its main thread, where the engine may be touched."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

import redis

from gpu_worker import commands
from gpu_worker.contract import ModelSpec
from gpu_worker.render_engine import RenderEngine
from gpu_worker.status import StatusReporter
from gpu_worker.valkey_names import drain_key
from gpu_worker.warm_models import WarmModels

logger = logging.getLogger(__name__)


class BetweenJobs:
    """Commands that came from the fleet, and loading the models that the process before this one rendered most."""

    def __init__(
        self,
        connection: redis.Redis,
        name: str,
        engine: RenderEngine,
        reporter: StatusReporter,
        warm_models: WarmModels,
    ) -> None:
        self._connection = connection
        self._name = name
        self._engine = engine
        self._reporter = reporter
        self._warm_models = warm_models
        self._to_warm = deque(warm_models.models())
        self._commands: deque[dict[str, Any]] = deque()

    def receive_command(self, command: dict[str, Any]) -> None:
        """From any thread: keep a command until there is time for it."""
        self._commands.append(command)

    def run_commands(self) -> None:
        """Carry out what was heard. A command that fails is logged and over."""
        while self._commands:
            command = self._commands.popleft()
            self.refresh_drained()
            try:
                if command["command"] == commands.PRELOAD:
                    self._engine.preload(ModelSpec.from_wire(command["model"]))
                elif command["command"] == commands.EVICT:
                    self._engine.evict(command["key"])
                logger.info("Command %s is done", command["command"])
            except Exception:
                logger.exception("Command %s failed", command["command"])

    def refresh_drained(self) -> None:
        """From any thread: the key counts, also for a command that nobody heard."""
        self._reporter.is_drained = bool(self._connection.exists(drain_key(self._name)))

    def warm_up(self) -> None:
        """While nothing waits: load one more of them, as long as half of the device is free."""
        engine = self._engine.status()
        if not self._to_warm or engine.used_bytes > engine.budget_bytes / 2:
            self._to_warm.clear()
            return
        model = self._to_warm.popleft()
        try:
            self._engine.preload(model)
            logger.info("Model %s is loaded before anybody asked", model.slug)
        except Exception as problem:
            logger.warning("Model %s is not loaded in advance: %s", model.slug, problem)
            self._warm_models.forget(model)
