"""Several real models on one device that cannot hold them all."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline

from gpu_worker.engine import DoesNotFit, Engine
from gpu_worker.engine.weights.storages import module_bytes
from tests.engine.jobs import Listener, frames_of, render
from tests.engine.tight_engines import engine_on, job, on_device, sizes_of, spec


def bytes_alone(folder: Path) -> int:
    """Bytes of all weights of a pipeline that diffusers loads by itself."""
    pipeline = DiffusionPipeline.from_pretrained(folder)
    return sum(module_bytes(m) for m in pipeline.components.values() if isinstance(m, torch.nn.Module))


def test_models_of_two_families_share_a_text_encoder_and_the_bytes_show_it(repos: Path, tmp_path: Path) -> None:
    engine = engine_on(repos, tmp_path)
    engine.preload(spec("one"))
    assert engine.status().used_bytes == bytes_alone(repos / "one")
    encoder_bytes = on_device(engine)["text_encoder"]
    engine.preload(spec("cog"))
    assert engine.status().used_bytes == bytes_alone(repos / "one") + bytes_alone(repos / "cog") - encoder_bytes
    engine.preload(spec("own"))
    assert [r.name for r in engine.status().residents].count("text_encoder") == 2


def test_a_copy_of_a_model_in_another_folder_is_the_same_model(repos: Path, tmp_path: Path) -> None:
    engine = engine_on(repos, tmp_path / "cache")
    engine.preload(spec("one"))
    before = engine.status()
    shutil.copytree(repos / "one", tmp_path / "copy")
    engine.preload(spec(str(tmp_path / "copy")))
    assert engine.status().used_bytes == before.used_bytes
    assert engine.status().counters["reads"] == before.counters["reads"]


def test_other_weights_under_the_same_name_are_another_model(repos: Path, tmp_path: Path) -> None:
    engine = engine_on(repos, tmp_path / "cache")
    shutil.copytree(repos / "one", tmp_path / "model")
    engine.preload(spec(str(tmp_path / "model")))
    shutil.rmtree(tmp_path / "model/transformer")
    shutil.copytree(repos / "two/transformer", tmp_path / "model/transformer")
    engine.preload(spec(str(tmp_path / "model")))
    assert [r.name for r in engine.status().residents].count("transformer") == 2


@pytest.mark.parametrize("host_bytes", [0, 2**30])
def test_frames_are_the_same_bit_by_bit_after_eviction_and_return(repos: Path, tmp_path: Path, host_bytes: int) -> None:
    sizes = sizes_of(repos, tmp_path / "other", "one")
    engine = engine_on(repos, tmp_path, sum(sizes.values()) + 2_000_000, host_bytes=host_bytes)
    first = frames_of(render(engine, job("one"), tmp_path / "1").clip)
    render(engine, job("two"), tmp_path / "2")
    assert engine.status().counters["evictions"] > 0
    reads = engine.status().counters["reads"]
    again = frames_of(render(engine, job("one"), tmp_path / "3").clip)
    assert np.array_equal(first, again)
    assert (engine.status().counters["reads"] == reads) == (host_bytes > 0)


def test_the_encoder_leaves_when_the_denoiser_needs_its_room(repos: Path, tmp_path: Path) -> None:
    sizes = sizes_of(repos, tmp_path / "other", "one")
    roomy, tight = (
        engine_on(repos, tmp_path / "a"),
        engine_on(repos, tmp_path / "b", sum(sizes.values()) - 1),
    )
    listener = Listener()
    expected = frames_of(render(roomy, job("one"), tmp_path / "1").clip)
    frames = frames_of(render(tight, job("one"), tmp_path / "2", listener=listener).clip)
    assert np.array_equal(frames, expected)
    assert listener.stages[:4] == ["loading", "encoding_prompt", "loading", "denoising"]
    assert "text_encoder" not in on_device(tight)


def test_a_known_prompt_does_not_need_the_encoder(repos: Path, tmp_path: Path) -> None:
    engine = engine_on(repos, tmp_path)
    first = frames_of(render(engine, job("one"), tmp_path / "1").clip)
    encoder = next(r for r in engine.status().residents if r.name == "text_encoder")
    assert engine.evict(encoder.key)
    again = frames_of(render(engine, job("one"), tmp_path / "2").clip)
    assert "text_encoder" not in on_device(engine)
    assert np.array_equal(first, again)
    render(engine, job("one", prompt="something else"), tmp_path / "3")
    assert "text_encoder" in on_device(engine)


def test_models_that_share_an_encoder_share_what_it_said(repos: Path, tmp_path: Path) -> None:
    engine = engine_on(repos, tmp_path)
    render(engine, job("one"), tmp_path / "1")
    engine.evict_all()
    render(engine, job("two"), tmp_path / "2")
    assert "text_encoder" not in on_device(engine)


def test_blocks_of_a_model_larger_than_the_device_come_from_main_memory(repos: Path, tmp_path: Path) -> None:
    sizes = sizes_of(repos, tmp_path / "other", "one")
    budget_bytes = sizes["vae"] + sizes["transformer"] - 1
    roomy, tight = (
        engine_on(repos, tmp_path / "a"),
        engine_on(repos, tmp_path / "b", budget_bytes, host_bytes=2**30),
    )
    assert tight.can_hold(job("one")) is None
    expected = frames_of(render(roomy, job("one"), tmp_path / "1").clip)
    for attempt in ("2", "3"):
        assert np.array_equal(frames_of(render(tight, job("one"), tmp_path / attempt).clip), expected)
        assert "transformer" not in on_device(tight)


def test_what_can_never_fit_is_refused_with_the_figures(repos: Path, tmp_path: Path) -> None:
    sizes = sizes_of(repos, tmp_path / "other", "one")
    engine = engine_on(repos, tmp_path, sizes["vae"] + sizes["transformer"] - 1)
    reason = engine.can_hold(job("one"))
    assert reason is not None
    assert reason.startswith("one on cpu: at least 8.6 MiB are needed at once and the budget is 8.6 MiB")
    assert "block swap would need 8.2 MiB of main memory and 0 B may be used (GPU_WORKER_RAM)" in reason
    with pytest.raises(DoesNotFit, match=r"at least 8\.6 MiB are needed at once"):
        render(engine, job("one"), tmp_path)
    assert engine.can_hold(job("one", spec_changes={"dtype": "bfloat16"})) is None


def loading_seconds(engine: Engine, source: str) -> float:
    seconds = engine.loading_seconds(spec(source))
    assert seconds is not None
    return seconds


def test_what_a_job_would_load_is_told_from_what_is_there_and_what_was_seen(repos: Path, tmp_path: Path) -> None:
    engine = engine_on(repos, tmp_path)
    assert loading_seconds(engine, "one") > 0
    engine.preload(spec("one"))
    assert loading_seconds(engine, "one") == 0
    assert 0 < loading_seconds(engine, "two") < loading_seconds(engine, "own")  # it shares a text encoder
    engine.evict_all()
    measured = sum(r.disk_seconds + r.copy_seconds for r in engine._residency.records.values())
    assert loading_seconds(engine, "one") == pytest.approx(measured)
    assert engine.loading_seconds(spec("nowhere")) is None


def missing(engine: Engine, source: str) -> set[str]:
    """The names of what a job of ``source`` would have to load."""
    components = engine._library.look_at(spec(source)).components
    return {name for name, component in components.items() if engine._residency.loading_seconds(component) > 0}


def test_what_the_next_jobs_need_stays(repos: Path, tmp_path: Path) -> None:
    def second_after_third(engine: Engine) -> bool:
        for source in ("one", "two"):
            engine.preload(spec(source))
        engine.upcoming = [job("one")]
        render(engine, job("own"), tmp_path / "clip")
        return missing(engine, "one") < missing(engine, "two")

    sizes = sizes_of(repos, tmp_path / "other", "one")
    budget_bytes = 2 * sum(sizes.values()) + sizes["text_encoder"]
    assert second_after_third(engine_on(repos, tmp_path / "cache", budget_bytes))


def test_what_was_measured_is_known_to_the_next_process(repos: Path, tmp_path: Path) -> None:
    first = engine_on(repos, tmp_path)
    first.preload(spec("one", dtype="bfloat16", quantisation="int8"))
    small = sum(on_device(first).values())
    second = engine_on(repos, tmp_path, small)
    model = job("one", spec_changes={"dtype": "bfloat16", "quantisation": "int8"})
    assert second.can_hold(model) is None
    assert second.can_hold(job("one")) is not None


def test_asking_about_a_model_of_the_hub_does_not_download_it(
    repos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*args: object, **kwargs: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("gpu_worker.engine.weights.checkpoint.snapshot_download", forbidden)
    engine = engine_on(repos, tmp_path)
    hub = spec("somebody/something")
    assert engine.loading_seconds(hub) is None
    engine.upcoming = [job("somebody/something")]
    render(engine, job("one"), tmp_path)
    assert engine.can_hold(job("somebody/something")) is None
    with pytest.raises(AssertionError, match="the network was asked"):
        engine.preload(hub)
