"""The environment in which the processes of a stack run."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from gpu_worker.settings import documented
from loremotion.local.secret_files import secret
from loremotion.local.stores import Stores

ROOT = Path(__file__).resolve().parent.parent.parent
"""The checkout."""


def settings_of(folder: Path, *, port: int, stores: Stores, chosen: Mapping[str, str]) -> dict[str, str]:
    """The settings of every process of a stack in ``folder``.

    Args:
        chosen: wins over what a fresh machine gets; names that are no setting of a fresh machine are left out.
    """
    fresh = {
        "SITE_URL": f"http://127.0.0.1:{port}",
        "SECRET_KEY": secret(folder / "secrets", "secret_key"),
        "C2PA_CERTIFICATE": str(folder / "secrets" / "c2pa_certificate.pem"),
        "C2PA_ISSUERS": str(folder / "secrets" / "c2pa_issuers.pem"),
        "C2PA_PRIVATE_KEY": str(folder / "secrets" / "c2pa_private_key.pem"),
        "INVISIBLE_ID_KEYS": secret(folder / "secrets", "invisible_id_key"),
        "MEDIA_DIR": str(folder / "media"),
        "MAIL_DIR": str(folder / "mail"),
        "GPU_WORKER_DEVICE": "cpu",
        "GPU_WORKER_BUDGET": "4GiB",
        "GPU_WORKER_MODELS": str(folder / "models"),
        "GPU_WORKER_CACHE": str(folder / "gpu-cache"),
        "GPU_WORKER_GRACE_SECONDS": "3",  # Ctrl-C hands a running render back to the queue instead of finishing it
    }
    where = {"PORT": str(port), "DATABASE_URL": stores.database_url, "REDIS_URL": stores.redis_url}
    return {**fresh, **{name: value for name, value in chosen.items() if name in fresh}, **where}


def environment_of(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with ``settings`` laid over it, its Python first on the path, output unbuffered."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, **settings, "PATH": path, "PYTHONUNBUFFERED": "1"}


def environments_of(
    processes: Iterable[str], environment: Mapping[str, str], stores: Stores
) -> dict[str, dict[str, str]]:
    """The environment of each of these processes. What renders or judges has none of the website's settings, secrets
    above all, and the address of Valkey under a user of its own."""
    site_settings = site_setting_names() - {variable.name for variable in documented()}
    gpu = {name: value for name, value in environment.items() if name not in site_settings}
    gpu["REDIS_URL"] = stores.gpu_redis_url
    return {process: gpu if process in ("gpu", "guard") else dict(environment) for process in processes}


def site_setting_names() -> set[str]:
    """The variables that ``loremotion.settings`` reads, whose import would need them all."""
    modules = (ROOT / "loremotion" / "settings").glob("*.py")
    return {name for module in modules for name in re.findall(r'\benv\.\w+\(\s*"([A-Z0-9_]+)"', module.read_text())}


def save(settings: Mapping[str, str], path: Path) -> None:
    """Write ``settings`` where only the owner reads them, in the form that ``honcho -e`` takes."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f'{name}="{value}"\n' for name, value in settings.items())
