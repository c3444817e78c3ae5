"""A catalogue row that takes a component from elsewhere, so that two models share one although their own differ."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from gpu_worker.contract import ComponentSource, ModelSpec, RenderJob
from gpu_worker.engine import CheckpointBroken, Engine, ModelMissing
from tests.engine.jobs import frames_of, render
from tests.engine.tight_engines import engine_on, job, on_device, spec
from tests.tiny import cogvideox


@pytest.fixture
def other(repos: Path, tmp_path: Path) -> Path:
    """A CogVideoX whose own text encoder differs in bytes from that of the LTX ``one``."""
    cogvideox.build(tmp_path / "other", seed=4, width=192, layers=3, text_seed=9)
    return tmp_path / "other"


def sharing(other: Path, encoder: ComponentSource | None, **changes: object) -> ModelSpec:
    components = {} if encoder is None else {"text_encoder": encoder}
    return dataclasses.replace(spec("cog"), source=str(other), components=components, **changes)  # type: ignore[arg-type]


def rendered(model: ModelSpec) -> RenderJob:
    return dataclasses.replace(job("cog"), model=model)


def encoders(engine: Engine) -> int:
    return [r.name for r in engine.status().residents].count("text_encoder")


def test_ltx_video_and_cogvideox_share_the_encoder_that_the_row_names_and_the_bytes_show_it(
    repos: Path, tmp_path: Path, other: Path
) -> None:
    apart, together = engine_on(repos, tmp_path / "a"), engine_on(repos, tmp_path / "b")
    for engine, row in ((apart, None), (together, ComponentSource(source="one"))):
        engine.preload(spec("one"))
        encoder_bytes = on_device(engine)["text_encoder"]
        engine.preload(sharing(other, row))
    assert (encoders(apart), encoders(together)) == (2, 1)
    assert apart.status().used_bytes - together.status().used_bytes == encoder_bytes > 50_000
    assert together.status().counters["reads"] == apart.status().counters["reads"] - 1


def test_the_clip_is_the_one_that_the_shared_encoder_makes(repos: Path, tmp_path: Path, other: Path) -> None:
    engine = engine_on(repos, tmp_path / "cache")
    own = frames_of(render(engine, rendered(sharing(other, None)), tmp_path / "1").clip)
    shared = sharing(other, ComponentSource(source="one"))
    taken = frames_of(render(engine, rendered(shared), tmp_path / "2").clip)
    copied = shutil.copytree(other, tmp_path / "copied")
    shutil.rmtree(copied / "text_encoder")
    shutil.copytree(repos / "one/text_encoder", copied / "text_encoder")
    by_hand = frames_of(render(engine_on(repos, tmp_path / "d"), rendered(sharing(copied, None)), tmp_path / "3").clip)
    assert np.array_equal(taken, by_hand)
    assert not np.array_equal(taken, own)


def test_its_own_copy_need_not_be_there(repos: Path, tmp_path: Path, other: Path) -> None:
    shutil.rmtree(other / "text_encoder")
    render(engine_on(repos, tmp_path / "a"), rendered(sharing(other, ComponentSource(source="one"))), tmp_path)


def test_a_folder_of_another_name_can_be_named(repos: Path, tmp_path: Path, other: Path) -> None:
    shutil.copytree(repos / "one/text_encoder", tmp_path / "encoders/t5")
    engine = engine_on(repos, tmp_path / "cache")
    engine.preload(spec("one"))
    engine.preload(sharing(other, ComponentSource(source=str(tmp_path / "encoders"), subfolder="t5")))
    assert encoders(engine) == 1  # by content, wherever it lies


def test_models_that_are_quantised_differently_share_it_when_both_rows_say_how(repos: Path, tmp_path: Path) -> None:
    engine = engine_on(repos, tmp_path)
    whole = {"dtype": "bfloat16", "components": {"text_encoder": ComponentSource(quantisation="int8")}}
    small = {"dtype": "bfloat16", "quantisation": "int8"}
    engine.preload(spec("one", **whole))
    engine.preload(spec("cog", **small))
    assert encoders(engine) == 1
    assert len({r.key for r in engine.status().residents if r.name == "transformer" and ":none" in r.key}) == 1


def test_what_is_not_there_is_named(repos: Path, tmp_path: Path, other: Path) -> None:
    engine = engine_on(repos, tmp_path / "cache")
    with pytest.raises(CheckpointBroken, match="has no text_encoder_9; it has: "):
        engine.preload(spec("one", components={"text_encoder_9": ComponentSource(source="one")}))
    with pytest.raises(ModelMissing, match=r"No text_encoder/config\.json at"):
        engine.preload(sharing(other, ComponentSource(source="/nowhere")))


def test_asking_about_a_source_of_the_hub_downloads_nothing(
    repos: Path, tmp_path: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, object, object]] = []

    def noted(repository: str, *, revision: object, allow_patterns: object, **others: object) -> str:
        asked.append((repository, revision, allow_patterns))
        return str(repos / "one")

    monkeypatch.setattr("gpu_worker.engine.weights.checkpoint.snapshot_download", noted)
    engine = engine_on(repos, tmp_path / "cache")
    hub = sharing(other, ComponentSource(source="somebody/something", revision="abc"))
    assert engine.loading_seconds(hub) is None
    assert asked == []
    engine.preload(hub)
    assert asked == [("somebody/something", "abc", ["text_encoder/*"])]
