"""Speed settings of a catalogue row: each for real, each off again, and no row disturbed by another's."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry
from diffusers.models.transformers import transformer_ltx
from torch._inductor.utils import fresh_cache

from gpu_worker.contract import Progress, RenderJob
from gpu_worker.engine import Engine, UnsupportedRequest
from gpu_worker.engine.errors import UnsupportedHere
from gpu_worker.engine.video import compiled_blocks
from gpu_worker.engine.weights.storages import module_bytes
from gpu_worker.families import FAMILIES
from gpu_worker.families.speed import SETTINGS
from tests.engine.jobs import Listener, frames_of, render
from tests.engine.tight_engines import engine_on, job
from tests.families.checkpoints import checkpoint_for
from tests.families.test_modes import job_for

MAG_RATIOS = [1.0] * 8
SWITCHED: list[dict[str, Any]] = [
    {"attention_backend": "_native_math"},
    {"compile_repeated_blocks": {"backend": "eager"}},
    {"first_block_cache": {"threshold": 10.0}},
    {"mag_cache": {"threshold": 10.0, "retention_ratio": 0.1, "mag_ratios": MAG_RATIOS}},
    {"sea_cache": {"threshold": 10.0}},
    {"taylorseer_cache": {"cache_interval": 4, "disable_cache_before_step": 2}},
]
LAID_OUT: list[dict[str, Any]] = [{"channels_last_vae": True}]


def named(speed: dict[str, Any]) -> str:
    return "+".join(speed)


def job_with_speed(speed: dict[str, Any], source: str = "one", **changes: Any) -> RenderJob:
    return job(source, steps=8, spec_changes={"speed": speed}, **changes)


def clip(engine: Engine, job: RenderJob, folder: Path) -> npt.NDArray[np.uint8]:
    return frames_of(render(engine, job, folder).clip)


def transformer_of(engine: Engine) -> torch.nn.Module:
    (entry,) = [e for e in engine._residency.entries.values() if e.component.name == "transformer"]
    return entry.module


class AtEachStep(Listener):
    """Looks at what is on the device while a render runs."""

    def __init__(self, look: Callable[[], Any]) -> None:
        super().__init__()
        self.seen: list[Any] = []
        self._look = look

    def __call__(self, progress: Progress) -> None:
        super().__call__(progress)
        if progress.kind == "step":
            self.seen.append(self._look())


# --- switched on for one render ---------------------------------------------------------------------------------------


def test_rows_that_share_a_transformer_do_not_disturb_each_other(repos: Path, tmp_path: Path) -> None:
    """Each makes the same clip before and after all others, and a row without settings between any two of them."""
    engine = engine_on(repos, tmp_path / "cache")
    plain = clip(engine, job_with_speed({}), tmp_path / "clip")
    first: dict[str, npt.NDArray[np.uint8]] = {}
    for speed in SWITCHED * 2:
        made = clip(engine, job_with_speed(speed), tmp_path / "clip")
        assert np.array_equal(made, first.setdefault(named(speed), made)), speed
        assert np.array_equal(clip(engine, job_with_speed({}), tmp_path / "clip"), plain), speed
    assert [r.name for r in engine.status().residents].count("transformer") == 1


def test_an_attention_backend_is_that_of_the_row_for_the_render_only(repos: Path, tmp_path: Path) -> None:
    engine = engine_on(repos, tmp_path / "cache")

    def backends() -> set[str]:
        processors = transformer_of(engine).attn_processors.values()  # type: ignore[operator]
        return {str(getattr(p, "_attention_backend", None)) for p in processors}

    at_steps = AtEachStep(backends)
    render(engine, job_with_speed({"attention_backend": "_native_math"}), tmp_path, listener=at_steps)
    assert [len(seen) for seen in at_steps.seen] == [1] * 8
    assert all("NATIVE_MATH" in str(seen) or "_native_math" in str(seen) for seen in at_steps.seen)
    assert backends() == {"None"}
    assert _AttentionBackendRegistry.get_active_backend()[0] == AttentionBackendName.NATIVE  # of all other models


def test_blocks_run_compiled_for_the_render_only_and_are_compiled_once(repos: Path, tmp_path: Path) -> None:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    engine = engine_on(repos, tmp_path / "cache")

    def compiled() -> list[bool]:
        blocks: Any = transformer_of(engine).transformer_blocks
        return [block._compiled_call_impl is not None for block in blocks]

    at_steps = AtEachStep(compiled)
    speed = {"compile_repeated_blocks": {"backend": "eager"}}
    render(engine, job_with_speed(speed), tmp_path / "1", listener=at_steps)
    assert at_steps.seen == [[True] * 3] * 8
    assert not any(compiled())
    frames = Counter(torch._dynamo.utils.counters["frames"])
    assert frames["ok"] > 0
    engine.evict_all()
    render(engine, job_with_speed(speed), tmp_path / "2")
    assert torch._dynamo.utils.counters["frames"] == frames  # also after its weights had gone and come back


def test_the_log_says_when_a_row_has_more_sizes_than_are_compiled(
    repos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch._dynamo.reset()
    engine = engine_on(repos, tmp_path / "cache")
    speed = {"compile_repeated_blocks": {"backend": "eager", "dynamic": False}}
    with torch._dynamo.config.patch(recompile_limit=1):
        render(engine, job_with_speed(speed), tmp_path / "1")
        assert "run uncompiled" not in caplog.text
        render(engine, job_with_speed(speed, width=96), tmp_path / "2")
    (said,) = [record.getMessage() for record in caplog.records if "run uncompiled" in record.getMessage()]
    assert said.startswith("Blocks of LTXVideoTransformer3DModel run uncompiled from here on")
    assert "config.recompile_limit (1)" in said
    torch._dynamo.reset()


def test_blocks_are_really_compiled_where_there_is_a_compiler(repos: Path, tmp_path: Path) -> None:
    engine = engine_on(repos, tmp_path / "cache")
    plain = clip(engine, job_with_speed({}), tmp_path / "1").astype(int)
    compiled = clip(engine, job_with_speed({"compile_repeated_blocks": {}}), tmp_path / "2").astype(int)
    assert np.abs(plain - compiled).mean() < 2


@pytest.mark.parametrize(
    ("speed", "what"),
    [
        (SWITCHED[2], transformer_ltx.LTXVideoTransformerBlock),
        (SWITCHED[3], transformer_ltx.LTXVideoTransformerBlock),
        (SWITCHED[4], transformer_ltx.LTXAttention),  # the hooks of this cache call the blocks themselves
        (SWITCHED[5], transformer_ltx.LTXAttention),
        (
            {"taylorseer_cache": {**SWITCHED[5]["taylorseer_cache"], "use_lite_mode": True}},
            transformer_ltx.LTXAttention,
        ),
    ],
    ids=lambda value: named(value) if isinstance(value, dict) else "",
)
def test_a_cache_skips_work(
    repos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    speed: dict[str, Any],
    what: type[torch.nn.Module],
) -> None:
    ran = []
    forward = what.forward

    def counted(self: torch.nn.Module, *args: object, **kwargs: object) -> object:
        ran.append(self)
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(what, "forward", counted)
    engine = engine_on(repos, tmp_path / "cache")

    def runs(speed: dict[str, Any]) -> int:
        ran.clear()
        render(engine, job_with_speed(speed), tmp_path / "clip")
        return len(ran)

    plain = runs({})
    assert plain in (8 * 3, 8 * 3 * 2)  # steps × blocks, with one or two attentions in each
    assert runs(speed) < plain
    assert runs({}) == plain


def test_settings_can_be_combined(repos: Path, tmp_path: Path) -> None:
    engine = engine_on(repos, tmp_path / "cache", host_bytes=2**30)
    plain = clip(engine, job_with_speed({}), tmp_path / "1")
    speed = {**SWITCHED[0], **SWITCHED[1], **SWITCHED[2], **LAID_OUT[0]}
    for number in range(2):
        clip(engine, job_with_speed(speed), tmp_path / f"a{number}")
        assert np.array_equal(clip(engine, job_with_speed({}), tmp_path / f"b{number}"), plain)
        engine.evict_all()


@pytest.mark.parametrize("speed", SWITCHED, ids=named)
def test_a_render_that_is_stopped_leaves_nothing_switched_on(
    repos: Path, tmp_path: Path, speed: dict[str, Any]
) -> None:
    class Stopped(Exception):
        pass

    engine = engine_on(repos, tmp_path / "cache")
    plain = clip(engine, job_with_speed({}), tmp_path / "1")
    listener = Listener()

    def should_stop() -> bool:
        if len(listener.of("step")) == 4:
            raise Stopped
        return False

    with pytest.raises(Stopped):
        render(engine, job_with_speed(speed), tmp_path / "2", listener=listener, should_stop=should_stop)
    assert np.array_equal(clip(engine, job_with_speed({}), tmp_path / "3"), plain)


# --- weights laid out otherwise ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", sorted(name for name, family in FAMILIES.items() if family.fuses_qkv))
def test_fused_projections_replace_the_three_and_make_the_same_clip(
    family: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    models = tmp_path_factory.getbasetemp() / "fusing"
    models.mkdir(exist_ok=True)
    mode = "text" if "text" in FAMILIES[family].modes else next(iter(FAMILIES[family].modes))
    plain = job_for(family, mode, checkpoint_for(family, mode, models))
    fused = dataclasses.replace(plain, model=dataclasses.replace(plain.model, speed={"fused_qkv": True}))
    engine = Engine(device=engine_on(models, tmp_path).device, models=models, cache=tmp_path / "cache")
    first, second = (clip(engine, j, tmp_path / "clip").astype(int) for j in (plain, fused))
    assert np.abs(first - second).max() <= 2
    transformers = [e for e in engine._residency.entries.values() if e.component.name == "transformer"]
    before, after = (e.module for e in transformers)
    assert module_bytes(after) == module_bytes(before)
    kinds = {name.rpartition(".")[2] for name, _ in after.named_modules()}
    assert kinds & {"to_qkv", "to_kv"}
    assert len([n for n, _ in after.named_modules() if n.endswith("to_v")]) == 0
    assert np.array_equal(clip(engine, plain, tmp_path / "clip").astype(int), first)


@pytest.mark.usefixtures("convolutions_in_single_precision")
@pytest.mark.parametrize("quantisation", ["int8", "nf4"])
def test_fused_projections_can_be_quantised_and_kept(repos: Path, tmp_path: Path, quantisation: str) -> None:
    row = {"dtype": "bfloat16", "quantisation": quantisation, "speed": {"fused_qkv": True}}
    first, second = (
        clip(engine_on(repos, tmp_path / "cache"), job("cog", spec_changes=row), tmp_path / str(n)) for n in range(2)
    )
    assert np.array_equal(first, second)


def test_a_decoder_with_channels_last_is_another_component_of_the_same_size(repos: Path, tmp_path: Path) -> None:
    engine = engine_on(repos, tmp_path / "cache", host_bytes=2**30)
    plain = clip(engine, job_with_speed({}), tmp_path / "1")
    for attempt in "23":
        laid_out = clip(engine, job_with_speed(LAID_OUT[0]), tmp_path / attempt)
        assert np.abs(plain.astype(int) - laid_out.astype(int)).max() <= 2
        vaes = [e for e in engine._residency.entries.values() if e.component.name == "vae"]
        assert len({e.record.size_bytes for e in vaes}) == 1
        strides = [
            {p.is_contiguous(memory_format=torch.channels_last_3d) for p in e.module.parameters() if p.ndim == 5}
            for e in sorted(vaes, key=lambda e: e.component.layout)
        ]
        assert strides[1] == {True}
        assert False in strides[0]
        engine.evict_all()  # from main memory it comes back laid out as it was
    assert np.array_equal(clip(engine, job_with_speed({}), tmp_path / "4"), plain)
    assert [r.name for r in engine.status().residents].count("transformer") == 1


# --- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("speed", "reason"),
    [
        ({"warp": 9}, "There is no 'warp'. There are: attention_backend"),
        ({"mag_cache": {"nonsense": 1}}, "mag_cache: there is no nonsense"),
        ({"mag_cache": {}}, "it needs mag_ratios"),
        ({"fused_qkv": True}, "LTX-Video does not use fused projections"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(repos: Path, tmp_path: Path, speed: dict[str, Any], reason: str) -> None:
    engine = engine_on(repos, tmp_path / "cache")
    with pytest.raises(UnsupportedRequest, match=reason):
        render(engine, job_with_speed(speed), tmp_path)
    render(engine, job("one"), tmp_path)


@pytest.mark.parametrize("backend", ["flash", "sage", "imaginary"])
def test_what_is_not_installed_is_refused_before_the_job_is_taken(repos: Path, tmp_path: Path, backend: str) -> None:
    engine = engine_on(repos, tmp_path / "cache")
    reason = engine.can_hold(job_with_speed({"attention_backend": backend}))
    assert reason is not None
    assert "LTXVideoTransformer3DModel cannot do attention_backend" in reason
    assert engine.can_hold(job_with_speed({"attention_backend": "native"})) is None


def test_where_no_compiler_works_it_is_said_before_the_job_is_taken(repos: Path, tmp_path: Path) -> None:
    """PyTorch itself says it at the first step, when weights are loaded and somebody waits."""
    engine = engine_on(repos, tmp_path / "cache")
    compiled_blocks.try_on.cache_clear()
    torch._dynamo.reset()
    with fresh_cache(), torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)}):
        reason = engine.can_hold(job_with_speed({"compile_repeated_blocks": {}}))
    assert reason is not None
    assert "cannot do compile_repeated_blocks: nothing can be compiled on cpu: InvalidCxxCompiler" in reason


def test_a_compiler_that_does_not_exist_is_refused(repos: Path, tmp_path: Path) -> None:
    engine = engine_on(repos, tmp_path / "cache")
    for arguments in ({"backend": "imaginary"}, {"mode": "fastest"}):
        reason = engine.can_hold(job_with_speed({"compile_repeated_blocks": arguments}))
        assert reason is not None
        assert "cannot do compile_repeated_blocks" in reason


def test_attention_that_takes_no_mask_is_refused_where_the_model_gives_one(repos: Path, tmp_path: Path) -> None:
    """Before a step is made: the backend itself says it at its first call only."""
    engine = engine_on(repos, tmp_path / "cache")
    wanted = job_with_speed({"attention_backend": "_native_flash"})
    reason = engine.can_hold(wanted)
    assert reason is not None
    assert "mask" in reason
    with pytest.raises(UnsupportedHere, match="mask"):
        clip(engine, wanted, tmp_path / "1")


def test_asking_whether_it_can_be_done_switches_nothing_on(repos: Path, tmp_path: Path) -> None:
    engine = engine_on(repos, tmp_path / "cache")
    plain = clip(engine, job_with_speed({}), tmp_path / "1")
    for speed in (*SWITCHED, *LAID_OUT):
        assert engine.can_hold(job_with_speed(speed)) is None
    assert np.array_equal(clip(engine, job_with_speed({}), tmp_path / "2"), plain)


def test_every_setting_is_tried_here() -> None:
    """``eight_bit_products`` needs weights of eight bits: ``test_eight_bit_products`` tries it."""
    others = {"fused_qkv": True, "eight_bit_products": True}
    assert {name for speed in (*SWITCHED, *LAID_OUT, others) for name in speed} == set(SETTINGS)
