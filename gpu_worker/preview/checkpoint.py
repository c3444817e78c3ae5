"""Where the preview model lies, and how a worker finds it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from gpu_worker.families.preview import SHIPPED as SHIPPED


def place(models: Path) -> Path:
    """Link the preview model as ``preview`` into a worker's folder ``models``; a folder of that name there stays.

    Safe to call from several processes at once: the link points to the old place or to the new one.

    Raises:
        FileNotFoundError: this copy of the project came without the weights.
        OSError: ``models`` cannot be written.
    """
    if not (SHIPPED / "model_index.json").is_file():
        raise FileNotFoundError(
            f"The preview model's weights are not in {SHIPPED}. Restore them with `git checkout -- {SHIPPED}`, "
            f"or train new ones: `python -m preview_model train --out {SHIPPED}`."
        )
    models.mkdir(parents=True, exist_ok=True)
    link, target = models / "preview", SHIPPED.resolve()
    if link.resolve() != target and (link.is_symlink() or not link.exists()):
        with tempfile.TemporaryDirectory(dir=models) as scratch:
            fresh = Path(scratch) / "preview"
            fresh.symlink_to(target, target_is_directory=True)
            fresh.replace(link)
    return link


if __name__ == "__main__":
    place(Path(sys.argv[1]))
