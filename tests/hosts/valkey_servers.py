"""How a primary, its replicas and their Sentinels are started, for whoever runs the commands on whichever host."""

from __future__ import annotations

from pathlib import Path

from gpu_worker.rq_seams import valkey_rights
from loremotion.local.valkey import LIMITS, binary

SERVICE = "clips"
"""What the Sentinels call the primary."""


def users(password: str, fleet_password: str) -> str:
    """Valkey's file of users: the site, and the GPU hosts."""
    site = f"user default reset on >{password} ~* &* +@all"
    return f"{site}\n{valkey_rights.user_line(fleet_password)}\n"


def server(
    folder: Path, *, address: str, port: int, replica_of: tuple[str, int] | None = None, password: str = ""
) -> list[str]:
    """Command of a server that keeps what it holds below ``folder``.

    Args:
        password: of the site. Who may log in stands in the file ``users.acl`` of ``folder`` then. Without it nobody
            has to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    following = ["--replicaof", f"{replica_of[0]} {replica_of[1]}"] if replica_of else []
    logins = ["--aclfile", str(folder / "users.acl"), "--masterauth", password] if password else []
    return [
        *(str(binary()), "--bind", address, "--port", str(port), "--dir", str(folder), "--protected-mode", "no"),
        *("--set-proc-title", "no", "--appendonly", "yes", "--repl-diskless-sync-delay", "0", "--repl-timeout", "10"),
        *(*LIMITS, *logins, *following),
    ]


def sentinel(
    folder: Path,
    *,
    address: str,
    port: int,
    primary: tuple[str, int],
    quorum: int,
    down_after_seconds: float = 2.0,
    password: str = "",
) -> list[str]:
    """Command of a Sentinel, which writes what it learns into its file below ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    said = [
        f"monitor {SERVICE} {primary[0]} {primary[1]} {quorum}",
        f"down-after-milliseconds {SERVICE} {down_after_seconds * 1000:.0f}",
        f"failover-timeout {SERVICE} 10000",
        *([f"auth-pass {SERVICE} {password}"] if password else []),
    ]
    file = folder / "sentinel.conf"
    if not file.exists():
        around = f"bind {address}\nport {port}\ndir {folder}\nprotected-mode no\nset-proc-title no\n"
        file.write_text(around + "".join(f"sentinel {line}\n" for line in said))
    return [str(binary()), str(file), "--sentinel"]
