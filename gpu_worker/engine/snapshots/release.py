"""Which code and which libraries render here: with others the same job may have other frames."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import torch

PACKAGES: Final = ("diffusers", "transformers", "torchao", "bitsandbytes", "gguf", "accelerate")
SOURCES: Final = ("engine", "families", "preview", "contract.py")
"""What renders, beneath the package. The rest of the worker may change and snapshots stay."""


def digest_of_sources(package: Path) -> str:
    """Return the SHA-256 of the names and contents of the Python files among ``SOURCES`` beneath ``package``."""
    digest = hashlib.sha256()
    for name in SOURCES:
        root = package / name
        for path in sorted(root.rglob("*.py")) if root.is_dir() else [root] * root.is_file():
            content = path.read_bytes()
            digest.update(f"{path.relative_to(package).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


CODE: Final = digest_of_sources(Path(__file__).parents[2])
"""Of this process: taken when it starts, since an upgrade may replace the files beneath it."""


def software() -> dict[str, Any]:
    """Return plain JSON of everything installed that decides how a render computes."""
    return {"code": CODE, "torch": torch.__version__, **{name: _version(name) for name in PACKAGES}}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
