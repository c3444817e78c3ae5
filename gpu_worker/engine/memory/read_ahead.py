"""What the next job will load is read from disk into memory while the device computes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gpu_worker.contract import RenderJob
from gpu_worker.engine.errors import EngineError
from gpu_worker.engine.memory import main_memory
from gpu_worker.engine.memory.open_models import Library
from gpu_worker.engine.memory.residency import Residency
from gpu_worker.engine.memory.staging import Stager
from gpu_worker.engine.weights.components import Component
from gpu_worker.engine.weights.loading import Loader


class ReadAhead:
    """Reads what jobs to come need and the device does not hold, and says what they need."""

    def __init__(self, library: Library, loader: Loader, residency: Residency) -> None:
        self.stager = Stager()
        self._library, self._loader, self._residency = library, loader, residency

    def begin(self, upcoming: Sequence[RenderJob]) -> None:
        """Read what the first of ``upcoming`` will load, its encoder first. Returns at once."""
        for components in self._components(upcoming[:1]):
            missing = [c for c in components if c.key not in self._residency.entries]
            self.stager.begin((file for c in missing for file in self._loader.files(c)), self.budget_bytes())

    def cancel(self) -> None:
        """Give up what is being read; what has been read waits in memory."""
        self.stager.cancel()

    def keys(self, upcoming: Sequence[RenderJob]) -> Iterator[list[str]]:
        """The keys of the components of each of ``upcoming`` whose model can be looked at."""
        for components in self._components(upcoming):
            yield [c.key for c in components]

    def budget_bytes(self) -> int:
        """What reading ahead may take: of what is left for copies of weights, where those have a limit, half at most
        of what is free, so that nobody's memory is swapped out for it."""
        free_bytes = main_memory.free_bytes() // 2
        host_bytes = self._residency.device.host_bytes
        if not host_bytes:
            return free_bytes
        return max(0, min(free_bytes, host_bytes - self._residency.host_used_bytes))

    def _components(self, jobs: Sequence[RenderJob]) -> Iterator[list[Component]]:
        for job in jobs:
            try:
                yield list(self._library.look_at(job.model).components.values())
            except EngineError:
                continue
