"""The engine of this host: its accounts, what speaks to each, and where it notes what it began."""

from __future__ import annotations

from gpu_worker.remote import accounts
from gpu_worker.remote.engine import RemoteEngine
from gpu_worker.remote.providers import provider_of
from gpu_worker.remote.started_jobs import StartedJobs
from gpu_worker.settings import Settings
from gpu_worker.snapshot_files import SnapshotFiles
from gpu_worker.valkey import connect


def engine_of(settings: Settings) -> RemoteEngine:
    """Return the engine.

    Raises:
        AccountsRefused: the file of accounts cannot be used.
    """
    found = accounts.read(settings.accounts)
    notes = StartedJobs(connect(settings.redis_url), SnapshotFiles(settings.snapshots, settings.snapshot_seconds))
    return RemoteEngine(
        {name: provider_of(account) for name, account in found.items()},
        notes,
        poll_seconds={name: account.poll_seconds for name, account in found.items()},
    )
