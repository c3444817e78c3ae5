"""How full Valkey is, and which of its users sends the most: what is told to the operator before it takes no writes."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import redis

from loremotion.valkey import connection

TOLD_FROM_SHARE: Final = 0.8
MOST_NAMED: Final = 3
LEAST_NAMED_BYTES: Final = 2**20


def used_share() -> float:
    """Return how much of its memory Valkey uses: of ``maxmemory``, or of its host's where there is no limit.

    Raises:
        RedisError: Valkey is away.
    """
    info = connection().info("memory")
    most = info.get("maxmemory") or info.get("total_system_memory") or 0
    return float(info["used_memory"]) / most if most else 0.0


def fault() -> str:
    """Return that Valkey is nearly full, with who sends the most; empty where it is not.

    Raises:
        RedisError: Valkey is away.
    """
    share = used_share()
    if share < TOLD_FROM_SHARE:
        return ""
    senders = ", ".join(_senders())
    return f"Valkey uses {share:.0%} of its memory." + (f" Most is sent by its user {senders}." if senders else "")


def limit_advice() -> str:
    """Return what to set where Valkey has no limit of memory of its own; empty where it has.

    Raises:
        RedisError: Valkey is away.
    """
    if connection().info("memory").get("maxmemory"):
        return ""
    return "Valkey may take all memory of its host: set maxmemory."


def _senders() -> list[str]:
    """Other users than the site's own by what came over the connections that they have open, the largest first.

    Empty where the server does not say: Valkey does from its version 8, hosted ones often not at all.
    """
    try:
        own = connection().acl_whoami()
        clients: list[dict[str, Any]] = connection().client_list()
    except redis.RedisError:
        return []
    sent: Counter[str] = Counter()
    for client in clients:
        if client.get("user", own) != own:
            sent[f"{client['user']} at {client['addr'].rpartition(':')[0]}"] += int(client.get("tot-net-in", 0))
    most = [(who, size) for who, size in sent.most_common(MOST_NAMED) if size >= LEAST_NAMED_BYTES]
    return [f"{who} ({size // 2**20} MiB)" for who, size in most]
