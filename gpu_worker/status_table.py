"""The GPU workers as text for a terminal: what each renders, and what its memory holds."""

from __future__ import annotations

from collections.abc import Sequence

from gpu_worker.worker_status import WorkerStatus


def table(statuses: Sequence[WorkerStatus]) -> str:
    """Return a line for each worker, and a line for each component that it holds."""
    if not statuses:
        return "No GPU worker is alive."
    lines = []
    for status in statuses:
        device = f"{status.device} ({status.driver})" if status.driver else status.device
        doing = f"{status.state} {status.generation_id or ''} {status.stage}".strip()
        if status.delivering_id:
            doing += f", delivering {status.delivering_id}"
        lines.append(f"{status.name}  {device}  {_memory(status)}{doing}  (pid {status.pid} on {status.host})")
        if status.clock_fault:
            lines.append(f"    {status.clock_fault}")
        for card in status.cards:
            at_it = ", at the clip" if card.is_busy else ""
            lines.append(f"    {card.name}  {_gib(card.used_bytes)} of {_gib(card.budget_bytes)}{at_it}")
        for resident in sorted(status.residents, key=lambda r: -r.last_used):
            leased = f", leased {resident.leases}" if resident.leases else ""
            lines.append(f"    {resident.name}  {_gib(resident.size_bytes)}  {resident.tier}{leased}  {resident.key}")
    return "\n".join(lines)


def _memory(status: WorkerStatus) -> str:
    """Of its card; empty where it has none."""
    return "" if status.is_remote else f"{_gib(status.used_bytes)} of {_gib(status.budget_bytes)}  "


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / 1024**3:.2f} GiB"
