"""Whether workspaces can bring keys, and remote workers open them: for staff and ``manage.py doctor``."""

from __future__ import annotations

from django.conf import settings

from generation.provider_keys import keeping
from gpu_worker.liveness import live_workers
from gpu_worker.sealed_keys import pair_of
from loremotion.valkey import connection

NOT_OFFERED = (
    "Workspaces can't bring own keys for remote models: REMOTE_KEYS_PUBLIC is not set. docs/remote.md says how to make "
    "the pair."
)


def advice() -> str:
    """What staff may want to know where nothing is wrong; empty where no remote model is enabled, or keys can be
    brought."""
    return NOT_OFFERED if not keeping.is_offered() and keeping.accounts_offered() else ""


def faults() -> list[str]:
    """What keeps clips with workspaces' own keys from being made, in words; nothing where no key can be brought."""
    held = {pair for status in live_workers(connection()) for pair in status.pairs}
    needed = keeping.unopened_pairs(held)
    if keeping.is_offered() and (public := pair_of(settings.REMOTE_KEYS_PUBLIC)) not in held:
        needed.setdefault(public, 0)
    return [
        f"No remote worker that is on opens keys of the pair {pair}, of which {_kept(count)} kept. Put its private "
        "half into the file that REMOTE_KEYS_PRIVATE names on their hosts."
        for pair, count in sorted(needed.items())
    ]


def _kept(count: int) -> str:
    return f"{count or 'none'} {'is' if count <= 1 else 'are'}"
