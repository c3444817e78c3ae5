"""How large a checkpoint is, without loading it."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from huggingface_hub import HfApi

from catalog import documents
from gpu_worker.weigh import main, weigh
from tests.families.checkpoints import checkpoint_for

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def truth(models: Path) -> tuple[Path, dict[str, int]]:
    """A checkpoint, and what its loaded modules count."""
    folder = models / checkpoint_for("wan", "text", models)
    pipeline = diffusers.WanPipeline.from_pretrained(folder)
    modules = {name: getattr(pipeline, name) for name in ("text_encoder", "transformer", "vae")}
    return folder, {name: 2 * sum(p.numel() for p in module.parameters()) for name, module in modules.items()}


def test_headers_say_how_large_a_checkpoint_is(truth: tuple[Path, dict[str, int]]) -> None:
    folder, expected = truth
    assert weigh(str(folder), models=folder) == expected


def test_configurations_say_it_where_there_are_no_weights(truth: tuple[Path, dict[str, int]], tmp_path: Path) -> None:
    folder, expected = truth
    bare = shutil.copytree(folder, tmp_path / "bare", ignore=shutil.ignore_patterns("*.safetensors"))
    assert weigh(str(bare), models=tmp_path) == expected


@pytest.fixture
def hub(truth: tuple[Path, dict[str, int]]) -> Iterator[tuple[HfApi, list[str]]]:
    """The checkpoint behind the Hub's own addresses, and the files that were fetched whole."""
    folder, _ = truth
    whole: list[str] = []

    class Repository(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            if "/resolve/" in self.path:
                content = (folder / self.path.split("/resolve/main/")[1].split("?")[0]).read_bytes()
                wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
                content = content[int(wanted[1]) : int(wanted[2]) + 1] if wanted else content
                if not wanted:
                    whole.append(self.path)
            else:
                files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
                tree = [{"type": "file", "path": name, "oid": "0", "size": 1} for name in files]
                content = json.dumps(tree).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", '"etag"')
            self.send_header("X-Repo-Commit", "f" * 40)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Repository)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield HfApi(endpoint=f"http://127.0.0.1:{server.server_port}"), whole
    server.shutdown()


def test_a_repository_is_weighed_without_downloading_it(
    truth: tuple[Path, dict[str, int]],
    hub: tuple[HfApi, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api, whole = hub
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    assert weigh("tiny/wan", models=tmp_path, hub=api) == truth[1]
    assert {path.split("/")[-1] for path in whole} == {"model_index.json"}


def test_the_command_prints_lines_for_the_form_or_says_what_is_missing(
    truth: tuple[Path, dict[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(truth[0])]) == 0
    assert capsys.readouterr().out == "".join(f"{name}: {size}\n" for name, size in sorted(truth[1].items()))
    assert main(["/nowhere/at/all"]) == 1
    assert "cannot be weighed: No checkpoint at /nowhere/at/all" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("slug", "component", "build"),
    [
        ("ltx-video-2b", "transformer", diffusers.LTXVideoTransformer3DModel),
        ("wan-2.1-14b", "transformer", diffusers.WanTransformer3DModel),
        ("wan-2.1-14b", "vae", diffusers.AutoencoderKLWan),
        ("hunyuan-video", "transformer", diffusers.HunyuanVideoTransformer3DModel),
        ("hunyuan-video", "vae", diffusers.AutoencoderKLHunyuanVideo),
        ("cogvideox-2b", "vae", diffusers.AutoencoderKLCogVideoX),
        ("helios", "transformer", diffusers.HeliosTransformer3DModel),
        ("hunyuan-video-1.5", "transformer", diffusers.HunyuanVideo15Transformer3DModel),
        ("hunyuan-video-1.5", "vae", diffusers.AutoencoderKLHunyuanVideo15),
    ],
)
def test_seeded_bytes_are_those_of_the_full_size_classes(slug: str, component: str, build: Callable[[], Any]) -> None:
    """Where the released model has the class's own defaults, it can be built on the meta device and counted."""
    rows = documents.read((ROOT / "catalog" / "seed.yaml").read_text())["models"]
    with torch.device("meta"):
        counted = 2 * sum(parameter.numel() for parameter in build().parameters())
    assert rows[slug]["version"]["component_bytes"][component] == pytest.approx(counted, rel=0.01)
