"""Engines whose budget decides what stays, over the repositories of the ``repos`` fixture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpu_worker.contract import ModelSpec, RenderJob
from gpu_worker.engine import Cpu, Engine
from tests.engine.jobs import model_spec, render_job


class StillCpu(Cpu):
    """A CPU on which activations weigh nothing, so that budgets of a few megabytes are exact."""

    def peak_bytes(self) -> int:
        return 0


def engine_on(repos: Path, cache: Path, budget_bytes: int = 2**30, *, host_bytes: int = 0, **engine: Any) -> Engine:
    return Engine(device=StillCpu(budget_bytes, host_bytes), models=repos, cache=cache, **engine)


def spec(source: str, **changes: Any) -> ModelSpec:
    return model_spec("cogvideox" if source == "cog" else "ltx", slug=source, source=source, **changes)


def job(source: str, *, spec_changes: dict[str, Any] | None = None, **changes: Any) -> RenderJob:
    model = spec(source, **spec_changes or {})
    return render_job(model.family, model=model, **changes)


def on_device(engine: Engine) -> dict[str, int]:
    """Size of what is on the device, by component name. For engines that hold each name once."""
    return {r.name: r.size_bytes for r in engine.status().residents if r.tier == "device"}


def sizes_of(repos: Path, cache: Path, source: str, **changes: Any) -> dict[str, int]:
    """Measured size of each component of a model."""
    engine = engine_on(repos, cache)
    engine.preload(spec(source, **changes))
    return on_device(engine)
