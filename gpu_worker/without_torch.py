"""Whether this process renders nothing itself. It then imports no torch: seconds and hundreds of megabytes saved."""

from __future__ import annotations

_is_chosen = False


def choose() -> None:
    """Before anything of ``gpu_worker.engine`` is imported: have its package bring no torch along."""
    global _is_chosen
    _is_chosen = True


def is_chosen() -> bool:
    return _is_chosen
