"""Checkpoints of a few kilobytes, built by the libraries' own classes."""

import gpu_worker.engine  # noqa: F401  # before diffusers, which alone would bring TorchInductor: a second of each process
