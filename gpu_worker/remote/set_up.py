"""The engine of this host: its accounts, the providers behind them, others' keys, and notes of what it began."""

from __future__ import annotations

from gpu_worker.remote import accounts
from gpu_worker.remote.engine import RemoteEngine
from gpu_worker.remote.own_keys import OwnKeys
from gpu_worker.remote.providers import provider_of
from gpu_worker.remote.started_jobs import StartedJobs
from gpu_worker.sealed_keys import PrivateKeys
from gpu_worker.settings import Settings
from gpu_worker.snapshot_files import SnapshotFiles
from gpu_worker.valkey import connect


def engine_of(settings: Settings) -> RemoteEngine:
    """Return the engine.

    Raises:
        AccountsRefused: the file of accounts cannot be used.
        PrivateKeysRefused: that of private keys cannot.
    """
    found = accounts.read(settings.accounts)
    private = PrivateKeys.read(settings.private_keys) if settings.private_keys is not None else PrivateKeys()
    notes = StartedJobs(connect(settings.redis_url), SnapshotFiles(settings.snapshots, settings.snapshot_seconds))
    return RemoteEngine(
        {name: provider_of(account) for name, account in found.items()},
        notes,
        own_keys=OwnKeys(found, private),
        poll_seconds={name: account.poll_seconds for name, account in found.items()},
    )
