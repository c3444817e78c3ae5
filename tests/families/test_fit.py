"""Memory before anybody has tried: what fits where, and how large a checkpoint is without loading it."""

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
import yaml
from huggingface_hub import HfApi
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.families.fit import CARDS_GIB, GIB, Fit, bytes_on_card, fit, measured_fit
from gpu_worker.weigh import main, weigh
from tests.families.checkpoints import checkpoint_for

ROOT = Path(__file__).parents[2]
WAN_5B = {"text_encoder": 11_360_000_000, "transformer": 10_000_000_000, "vae": 1_400_000_000}
WAN_A14B = {"text_encoder": 11_360_000_000, "transformer": 28_580_000_000, "transformer_2": 28_580_000_000}
BETTER = list(Fit)


def of(sizes: dict[str, int], quantisation: str, card: int, *, width: int = 1280, num_frames: int = 121) -> Fit | None:
    return fit(sizes, quantisation, card * GIB, width=width, height=704, num_frames=num_frames)


@pytest.mark.parametrize(
    ("sizes", "quantisation", "expected"),
    [
        (WAN_5B, "none", [Fit.BLOCK_SWAP, Fit.ENCODER_LEAVES, Fit.ENCODER_LEAVES, Fit.RESIDENT, Fit.RESIDENT]),
        (WAN_A14B, "none", [Fit.BLOCK_SWAP, Fit.BLOCK_SWAP, Fit.BLOCK_SWAP, Fit.BLOCK_SWAP, Fit.ENCODER_LEAVES]),
        (WAN_A14B, "int8", [Fit.BLOCK_SWAP, Fit.BLOCK_SWAP, Fit.BLOCK_SWAP, Fit.ENCODER_LEAVES, Fit.RESIDENT]),
    ],
)
def test_known_models_fit_where_people_run_them(sizes: dict[str, int], quantisation: str, expected: list[Fit]) -> None:
    assert [of(sizes, quantisation, card) for card in CARDS_GIB] == expected


def test_quantisation_halves_what_it_applies_to_and_full_precision_doubles_everything() -> None:
    assert bytes_on_card({"transformer": 100, "vae": 100}, "int8") == {"transformer": 52, "vae": 100}
    assert bytes_on_card({"transformer": 100, "vae": 100}, "none", "float32") == {"transformer": 200, "vae": 200}


def test_a_clip_that_no_swapping_can_save_is_refused() -> None:
    assert of(WAN_5B, "int8", 16, num_frames=1_000) == Fit.NO


def test_without_bytes_nothing_is_claimed() -> None:
    assert of({}, "none", 80) is None


sizes = st.dictionaries(
    st.sampled_from(["text_encoder", "transformer", "transformer_2", "vae"]), st.integers(1, 60 * 10**9), min_size=1
)


@given(sizes, st.sampled_from(["none", "int8", "nf4"]), st.integers(4, 96), st.integers(5, 241), st.integers(0, 40))
def test_a_larger_card_a_smaller_clip_and_fewer_bytes_are_never_worse(
    components: dict[str, int], quantisation: str, card: int, num_frames: int, more: int
) -> None:
    found = of(components, quantisation, card, num_frames=num_frames)
    assert found is not None
    for easier in (
        of(components, quantisation, card + more, num_frames=num_frames),
        of(components, quantisation, card, num_frames=max(5, num_frames - more)),
        of(components, "nf4", card, num_frames=num_frames),
    ):
        assert easier is not None
        assert BETTER.index(easier) <= BETTER.index(found)


def test_a_measured_peak_decides() -> None:
    assert measured_fit(20 * GIB, 24 * GIB) == Fit.RESIDENT
    assert measured_fit(23 * GIB, 24 * GIB) is None


# --- weighing ----------------------------------------------------------------------------------------------------


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
    rows = yaml.safe_load((ROOT / "catalog" / "seed.yaml").read_text())["models"]
    with torch.device("meta"):
        counted = 2 * sum(parameter.numel() for parameter in build().parameters())
    assert rows[slug]["version"]["component_bytes"][component] == pytest.approx(counted, rel=0.01)
