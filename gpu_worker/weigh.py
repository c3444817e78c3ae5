"""How large a model is, without loading it: ``python -m gpu_worker.weigh Lightricks/LTX-Video``.

Prints bytes by component as the catalogue's form takes them, counted from the headers of the safetensors files (a few
kilobytes, also of a repository that was never downloaded), or from the configuration on the meta device where a folder
has no weights. Sixteen bits a parameter, whatever the files store; what a worker never reads does not count.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from safetensors import safe_open

from gpu_worker.contract import ModelSpec
from gpu_worker.engine.errors import EngineError
from gpu_worker.engine.weights.checkpoint import INDEX, Part, local_folder, open_checkpoint
from gpu_worker.engine.weights.footprint import bare_meta_module
from gpu_worker.engine.weights.unused_parts import is_unused, unused_components
from gpu_worker.families import FAMILIES

BYTES_PER_PARAMETER = 2


def weigh(source: str, *, models: Path, revision: str | None = None, hub: HfApi | None = None) -> dict[str, int]:
    """Component → bytes at 16 bits a parameter, in the order of the checkpoint's index.

    Raises:
        EngineError: there is no such checkpoint.
        HfHubHTTPError: the Hub has no such repository, or does not let us read it.
    """
    folder = local_folder(source, models)
    if folder is None:
        return _weigh_repository(source, revision, hub or HfApi())
    spec = ModelSpec(slug="", version=0, family="", source=source)
    checkpoint = open_checkpoint(spec, models, unused=_unused_by(json.loads((folder / INDEX).read_text())))
    parts = [part for part in checkpoint.parts.values() if part.has_weights]
    return {part.name: BYTES_PER_PARAMETER * _parameters_of(part) for part in parts}


def _parameters_of(part: Part) -> int:
    files = _without_variants(part.folder.glob("*.safetensors"))
    return sum(_parameters_in(file, part.class_name) for file in files) if files else _parameters_on_meta(part)


def _without_variants(files: Iterator[Path]) -> list[Path]:
    """``model.fp16.safetensors`` holds the same weights again."""
    return [file for file in files if len(file.suffixes) == 1 or "-of-" in file.name]


def _parameters_in(file: Path, class_name: str) -> int:
    with safe_open(file, framework="np") as header:
        read = [name for name in header.keys() if not is_unused(class_name, name)]  # noqa: SIM118 - not a dict
        return sum(prod(header.get_slice(name).get_shape()) for name in read)


def _parameters_on_meta(part: Part) -> int:
    return sum(parameter.numel() for parameter in bare_meta_module(part).parameters())


def _weigh_repository(repository: str, revision: str | None, hub: HfApi) -> dict[str, int]:
    index = json.loads(Path(hub.hf_hub_download(repository, INDEX, revision=revision)).read_text())
    unused = _unused_by(index)
    weights = [name for name in hub.list_repo_files(repository, revision=revision) if name.endswith(".safetensors")]
    found = {}
    for component in (name for name in index if name not in unused):
        files = [PurePosixPath(name) for name in weights if PurePosixPath(name).parts[:-1] == (component,)]
        plain = [file for file in files if len(file.suffixes) == 1 or "-of-" in file.name]
        headers = [hub.parse_safetensors_file_metadata(repository, str(file), revision=revision) for file in plain]
        if headers:
            class_name = index[component][1]
            tensors = [item for header in headers for item in header.tensors.items()]
            parameters = sum(tensor.parameter_count for name, tensor in tensors if not is_unused(class_name, name))
            found[component] = BYTES_PER_PARAMETER * parameters
    return found


def _unused_by(index: dict[str, Any]) -> frozenset[str]:
    """Names of components in a checkpoint's index that no family with its pipeline reads."""
    pipeline = index.get("_class_name")
    served = [f for f in FAMILIES.values() if any(pipeline == mode.pipeline for mode in f.modes.values())]
    return unused_components(served)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m gpu_worker.weigh", description=__doc__)
    parser.add_argument("source", help="a repository of the Hub, or a folder")
    parser.add_argument("--revision")
    parser.add_argument("--models", type=Path, default=Path("var/models"), help="where relative folders are looked up")
    asked = parser.parse_args(arguments)
    try:
        components = weigh(asked.source, models=asked.models, revision=asked.revision)
    except (EngineError, HfHubHTTPError, HFValidationError, OSError) as problem:
        sys.stderr.write(f"{asked.source} cannot be weighed: {problem}\n")
        return 1
    sys.stdout.writelines(f"{name}: {size}\n" for name, size in components.items())
    return 0


if __name__ == "__main__":
    sys.exit(main())
