"""Where the preview model lies on this machine."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

SHIPPED = Path(__file__).parent / "weights"


def checkpoint(cache: Path) -> Path:
    """The folder of the preview model, for ``DiffusionPipeline.from_pretrained``.

    The shipped weights when they are there. Otherwise a pipeline of the same parts with random weights, built once
    under ``cache``: it renders noise, at the true size and speed. Needs no network. Safe to call from several processes
    at once: the folder appears whole or not at all.

    Raises:
        OSError: ``cache`` cannot be written.
    """
    if (SHIPPED / "model_index.json").is_file():
        return SHIPPED
    folder = cache / "preview-random"
    if not (folder / "model_index.json").is_file():
        _build_random(folder)
    return folder


def place(models: Path) -> Path:
    """Let a worker find the preview model as ``preview`` in its folder ``models``; one's own folder there stays.

    Raises:
        OSError: ``models`` cannot be written.
    """
    models.mkdir(parents=True, exist_ok=True)
    link, target = models / "preview", checkpoint(models).resolve()
    if link.resolve() != target and (link.is_symlink() or not link.exists()):
        link.unlink(missing_ok=True)
        link.symlink_to(target, target_is_directory=True)
    return link


def _build_random(folder: Path) -> None:
    import torch  # the shipped weights are found without it

    from gpu_worker.preview import architecture

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch, torch.random.fork_rng():
        torch.manual_seed(0)
        vocabulary_size = len(architecture.build_tokenizer())
        pipeline = architecture.assemble(
            architecture.build_text_encoder(vocabulary_size), architecture.build_transformer()
        )
        unfinished = Path(scratch) / "pipeline"
        pipeline.save_pretrained(unfinished, safe_serialization=True)
        try:
            unfinished.rename(folder)
        except OSError:
            if not (folder / "model_index.json").is_file():
                shutil.rmtree(folder, ignore_errors=True)
                unfinished.rename(folder)


if __name__ == "__main__":
    place(Path(sys.argv[1]))
