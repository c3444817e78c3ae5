"""Turns what training keeps into the pipeline folder that is shipped."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import torch

from preview_model.architecture import assemble, build_text_encoder, build_tokenizer, build_transformer

LIMIT_BYTES = 10_000_000


def publish(work: Path, out: Path) -> None:
    """Write the averaged weights kept in ``work`` to ``out`` as a half-precision pipeline, replacing what was there.

    Raises:
        FileNotFoundError: no training has been kept in ``work``.
        ValueError: the weights are larger than a repository should carry.
    """
    if not (work / "training.pt").is_file():
        raise FileNotFoundError(f"No training in {work}. Run `python -m preview_model train --work {work}` first.")
    encoder = build_text_encoder(len(build_tokenizer()))
    encoder.load_state_dict(torch.load(work / "reader.pt", weights_only=True)["encoder"])
    transformer = build_transformer()
    transformer.load_state_dict(torch.load(work / "training.pt", weights_only=True)["average"])
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        unfinished = Path(scratch) / "pipeline"
        assemble(encoder, transformer).save_pretrained(unfinished, safe_serialization=True)
        size_bytes = sum(file.stat().st_size for file in unfinished.rglob("*.safetensors"))
        if size_bytes > LIMIT_BYTES:
            raise ValueError(f"The weights are {size_bytes:,} bytes; at most {LIMIT_BYTES:,} are shipped.")
        if out.exists():
            shutil.rmtree(out)
        unfinished.rename(out)
