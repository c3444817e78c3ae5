"""Which models a worker loads before anybody asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import redis

from gpu_worker.contract import ModelSpec
from gpu_worker.warm_models import HALF_LIFE_SECONDS, KEPT, WarmModels
from gpu_worker.worker import GpuWorker
from tests.gpu_worker.conftest import enqueue, finished_reports, make_job
from tests.gpu_worker.scripted import ScriptedEngine


def model(slug: str) -> ModelSpec:
    return ModelSpec(slug=slug, version=1, family="ltx", source=slug)


def slugs(warm_models: WarmModels) -> list[str]:
    return [m.slug for m in warm_models.models()]


def test_the_most_rendered_comes_first_and_a_restart_remembers(tmp_path: Path) -> None:
    warm_models = WarmModels(tmp_path / "new" / "warm_models.json")
    for slug in ("red", "blue", "blue"):
        warm_models.note(model(slug))
    assert slugs(warm_models) == ["blue", "red"]
    assert slugs(WarmModels(tmp_path / "new" / "warm_models.json")) == ["blue", "red"]


def test_what_was_loved_fades(tmp_path: Path) -> None:
    now = [0.0]
    warm_models = WarmModels(tmp_path / "warm_models.json", clock=lambda: now[0])
    for _ in range(3):
        warm_models.note(model("red"))
    now[0] = 2 * HALF_LIFE_SECONDS
    warm_models.note(model("blue"))
    assert slugs(warm_models) == ["blue", "red"]


def test_only_so_many_are_kept_and_some_are_forgotten(tmp_path: Path) -> None:
    warm_models = WarmModels(tmp_path / "warm_models.json")
    for number in range(KEPT + 5):
        warm_models.note(model(f"m{number}"))
    assert len(warm_models.models()) == KEPT
    warm_models.forget(warm_models.models()[0])
    assert len(WarmModels(tmp_path / "warm_models.json").models()) == KEPT - 1


def test_a_damaged_file_costs_the_memory_only(tmp_path: Path) -> None:
    file = tmp_path / "warm_models.json"
    for damage in ("{", "[[1, 2]]", '[["a", 1, 2]]', "null"):
        file.write_text(damage)
        assert WarmModels(file).models() == []
    (tmp_path / "a file").write_text("")
    WarmModels(tmp_path / "a file" / "warm_models.json").note(model("red"))


def test_a_fresh_worker_loads_its_favourite_before_anybody_asks(
    valkey: redis.Redis, run_worker: Callable[..., GpuWorker], tmp_path: Path
) -> None:
    enqueue(valkey, make_job(tmp_path, slug="blue"))
    run_worker(ScriptedEngine())
    fresh = ScriptedEngine()

    run_worker(fresh)

    assert set(fresh.resident) == {"blue"}


def test_a_job_that_waits_comes_before_any_favourite(
    valkey: redis.Redis, run_worker: Callable[..., GpuWorker], tmp_path: Path
) -> None:
    enqueue(valkey, make_job(tmp_path, slug="blue"))
    run_worker(ScriptedEngine())
    enqueue(valkey, make_job(tmp_path, slug="red", prompt="waits"))

    class Watching(ScriptedEngine):
        def preload(self, model: ModelSpec) -> None:
            assert self.rendered == ["waits"]
            super().preload(model)

    fresh = Watching()
    run_worker(fresh)

    assert len(finished_reports(valkey)) == 2
    assert fresh.rendered == ["waits"]


def test_a_favourite_that_cannot_be_loaded_is_forgotten(
    valkey: redis.Redis, run_worker: Callable[..., GpuWorker], tmp_path: Path
) -> None:
    class Failing(ScriptedEngine):
        def preload(self, model: ModelSpec) -> None:
            raise RuntimeError("No checkpoint there any more")

    enqueue(valkey, make_job(tmp_path, slug="blue"))
    run_worker(ScriptedEngine())
    run_worker(Failing())
    fresh = ScriptedEngine()

    run_worker(fresh)

    assert fresh.resident == {}
