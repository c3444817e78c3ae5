"""The ids on each line of the log, for rooms that know nothing of GPUs: see ``gpu_worker.log_context``."""

from __future__ import annotations

from gpu_worker.log_context import REQUEST_ID, bound, current, of

__all__ = ["bound", "current_request", "of"]


def current_request() -> str:
    """Return the id of the request on whose behalf this is done; empty where nobody asked for it."""
    return current(REQUEST_ID)
