"""``python -m gpu_worker bench``: what this host makes of real models, resident and with speed settings."""

from gpu_worker.bench.command import main

__all__ = ["main"]
