"""Which models a worker renders most, kept over its restarts, so that a fresh process begins with them loaded."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

from gpu_worker.contract import ModelSpec

logger = logging.getLogger(__name__)

HALF_LIFE_SECONDS = 6 * 3600.0
KEPT = 16


class WarmModels:
    """Renders of each model version, where one of six hours ago counts half as much as one of now.

    A file that is missing, damaged or cannot be written costs the memory, never the render.
    """

    def __init__(self, file: Path, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._clock = clock
        self._scores: list[tuple[ModelSpec, float, float]] = self._load()

    def note(self, model: ModelSpec) -> None:
        """``model`` has been rendered with."""
        now = self._clock()
        others = [(m, score * _decay(now - at), now) for m, score, at in self._scores if m != model]
        own = sum(score * _decay(now - at) for m, score, at in self._scores if m == model)
        self._scores = sorted([*others, (model, own + 1.0, now)], key=lambda entry: -entry[1])[:KEPT]
        self._save()

    def models(self) -> list[ModelSpec]:
        """The warm model first."""
        return [model for model, _, _ in self._scores]

    def forget(self, model: ModelSpec) -> None:
        """``model`` cannot be loaded any more."""
        self._scores = [entry for entry in self._scores if entry[0] != model]
        self._save()

    def _load(self) -> list[tuple[ModelSpec, float, float]]:
        try:
            entries = json.loads(self._file.read_text())
            return [(ModelSpec.from_wire(model), float(score), float(at)) for model, score, at in entries]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as problem:
            logger.warning("%s is not read: %s", self._file, problem)
            return []

    def _save(self) -> None:
        beside = self._file.with_suffix(".part")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps([(model.to_wire(), score, at) for model, score, at in self._scores]))
            beside.replace(self._file)
        except OSError as problem:
            logger.warning("%s is not written: %s", self._file, problem)


def _decay(age_seconds: float) -> float:
    return float(0.5 ** (max(0.0, age_seconds) / HALF_LIFE_SECONDS))
