"""Which tiny checkpoint serves which mode: by name, so that a new family needs a builder and no line here.

``tests/tiny/<family>_<mode>.py`` where a mode has weights of its own, else ``tests/tiny/<family>.py``; a mode may also
borrow another mode's with ``BORROWED``.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

BORROWED = {"frames": "image", "control": "image"}
"""Mode → the mode whose checkpoint has the same inputs, tried where it has no builder of its own."""


def checkpoint_for(family: str, mode: str, models: Path) -> str:
    """The name of a folder under ``models`` with a checkpoint that can do it, built on first use."""
    for name in (f"{family}_{mode}", f"{family}_{BORROWED.get(mode, mode)}", family):
        if importlib.util.find_spec(f"tests.tiny.{name}"):
            folder = models / name
            if not folder.exists():
                importlib.import_module(f"tests.tiny.{name}").build(folder)
            return name
    raise LookupError(f"There is no tests/tiny/{family}.py: every family needs a tiny checkpoint.")
