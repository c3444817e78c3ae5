"""``python -m gpu_worker bench``: what this host makes of real models, held and hastened as the engine does it."""

from gpu_worker.bench.command import main

__all__ = ["main"]
