"""``make bench``: every benchmark of this folder, one after the other, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks import machine

FOLDER = Path(__file__).parent
DRIVEN = {"__main__", "bare_render", "fleet_scene", "history_scene", "queue_scene", "record_trace"}
"""Programs of others, and what measures nothing."""


def modules() -> list[str]:
    """Those with a ``main`` of their own; the others are parts of these."""
    found = [path.stem for path in sorted(FOLDER.glob("*.py")) if "\ndef main(" in path.read_text()]
    return [name for name in found if name not in DRIVEN]


def main() -> int:
    names = sys.argv[1:] or modules()
    print(f"# Benchmarks\n\n{machine.facts()}", flush=True)
    failed = []
    for name in names:
        print(f"\n## {name}\n", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode != 0:
            failed.append(name)
    if failed:
        print(f"\nFailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
