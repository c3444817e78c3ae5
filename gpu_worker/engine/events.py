"""What the engine decided and what it cost, as log records of one shape: an event, the job's id, and fields.

A record reads ``stage ended job=… stage=decoding seconds=1.2``, and can be searched for; ``record.event``,
``record.job_id`` and ``record.fields`` hold the same for handlers that write JSON.
"""

from __future__ import annotations

import logging

from gpu_worker.log_context import JOB_ID, current


def log_event(logger: logging.Logger, event: str, **fields: object) -> None:
    """Log ``event`` with ``fields`` at INFO, on behalf of the job under way. Sizes are in bytes, times in seconds."""
    if not logger.isEnabledFor(logging.INFO):
        return
    job_id = current(JOB_ID)
    said = {"job": job_id or "-", **fields}
    text = " ".join(f"{name}={_field_text(value)}" for name, value in said.items())
    logger.info("%s %s", event, text, extra={"event": event, "job_id": job_id, "fields": fields}, stacklevel=2)


def _field_text(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return repr(text) if " " in text else text
