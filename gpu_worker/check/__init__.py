"""Whether this host's card does what the worker asks of it: ``python -m gpu_worker check``."""

from gpu_worker.check.command import main

__all__ = ["main"]
