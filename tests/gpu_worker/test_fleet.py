"""The fleet from outside: its table, its commands on the command line, its figures for Prometheus."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import redis

from gpu_worker import commands, metrics
from gpu_worker.__main__ import main
from gpu_worker.between_jobs import BetweenJobs
from gpu_worker.contract import REMOTE_BYTES
from gpu_worker.heartbeat import Heartbeat
from gpu_worker.liveness import live_workers
from gpu_worker.status import StatusReporter, first_status
from gpu_worker.status_table import table
from gpu_worker.valkey import connect
from gpu_worker.valkey_names import WORKER_DEAD_AFTER_SECONDS, WORKERS_KEY, cancel_key, drain_key, worker_key
from gpu_worker.warm_models import WarmModels
from gpu_worker.worker_status import CardStatus, ResidentComponent, WorkerStatus
from loremotion.local.ports import free_port
from tests.gpu_worker.scripted import ScriptedEngine, ScriptedStatus
from tests.patience import PATIENCE_SECONDS

GIB = 1024**3


class CardsEngine(ScriptedEngine):
    """An engine of two cards."""

    cards = (CardStatus(), CardStatus())

    def status(self) -> ScriptedStatus:
        return ScriptedStatus(cards=self.cards)


def register(connection: redis.Redis, name: str, *, beat_seconds_ago: float = 0.0, generation_id: str = "") -> None:
    status = WorkerStatus(
        name=name,
        host="rack-3",
        pid=42,
        device="H200",
        driver="driver for CUDA 13.0",
        budget_bytes=24 * GIB,
        used_bytes=6 * GIB,
        state="busy" if generation_id else "idle",
        generation_id=generation_id or None,
        attempt=2,
        stage="denoising" if generation_id else "",
        residents=(
            ResidentComponent(key="vae:1", name="vae", size_bytes=GIB, tier="device", last_used=1.0, leases=0),
            ResidentComponent(key="t5:2", name="text_encoder", size_bytes=5 * GIB, tier="ram", last_used=2.0, leases=1),
        ),
        counters={"renders_succeeded": 3.0, "evictions": 1.0},
    )
    connection.set(worker_key(name), json.dumps(status.to_wire()), ex=WORKER_DEAD_AFTER_SECONDS)
    connection.zadd(WORKERS_KEY, {name: time.time() - beat_seconds_ago})


def test_live_workers_are_those_whose_status_has_not_expired(valkey: redis.Redis) -> None:
    register(valkey, "b")
    register(valkey, "a")
    register(valkey, "dead")
    valkey.delete(worker_key("dead"))
    valkey.zadd(WORKERS_KEY, {"speechless": time.time()})
    register(valkey, "clock-behind", beat_seconds_ago=3600)
    assert [status.name for status in live_workers(valkey)] == ["a", "b", "clock-behind"]


def test_the_table_shows_job_and_residents_the_latest_used_first(valkey: redis.Redis) -> None:
    register(valkey, "a", generation_id="clip-7")
    assert table(live_workers(valkey)).splitlines() == [
        "a  H200 (driver for CUDA 13.0)  6.00 GiB of 24.00 GiB  busy clip-7 denoising  (pid 42 on rack-3)",
        "    text_encoder  5.00 GiB  ram, leased 1  t5:2",
        "    vae  1.00 GiB  device  vae:1",
    ]
    delivering = WorkerStatus(name="b", generation_id="clip-8", delivering_id="clip-7", stage="denoising")
    assert "clip-8 denoising, delivering clip-7" in table([delivering])
    far = WorkerStatus(name="c", device="Remote: google", budget_bytes=REMOTE_BYTES, host="rack-4", pid=7)
    assert table([far]) == "c  Remote: google  idle  (pid 7 on rack-4)"
    assert table([]) == "No GPU worker is alive."


def test_cancelling_reaches_the_worker_that_is_at_it(valkey: redis.Redis) -> None:
    register(valkey, "a", generation_id="clip-7")
    listening = valkey.pubsub()  # type: ignore[no-untyped-call]
    listening.subscribe("rq:pubsub:gpu:a")
    listening.get_message(timeout=PATIENCE_SECONDS)

    assert commands.cancel(valkey, "clip-7")

    message = listening.get_message(timeout=PATIENCE_SECONDS)
    assert message is not None
    assert json.loads(message["data"]) == {"command": "stop-job", "job_id": "render-clip-7-2"}
    assert valkey.exists(cancel_key("clip-7"))
    assert not commands.cancel(valkey, "clip-8")


def test_the_command_line_shows_and_commands(
    valkey: redis.Redis, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(valkey, "a")

    assert main(["--status"]) == 0
    assert "a  H200" in capsys.readouterr().out
    assert main(["--drain", "a"]) == 0
    assert valkey.exists(drain_key("a"))
    assert main(["--resume", "a"]) == 0
    assert not valkey.exists(drain_key("a"))
    assert main(["--evict", "nobody", "vae:1"]) == os.EX_DATAERR
    assert "No live worker is called 'nobody'; there are: a." in capsys.readouterr().err
    assert main(["--preload", "a", '{"slug": "x"}']) == os.EX_DATAERR
    assert "ModelSpec.version is missing" in capsys.readouterr().err
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    assert main(["--status"]) == os.EX_UNAVAILABLE
    monkeypatch.setenv("GPU_WORKER_WINDOW", "all")
    assert main(["--status"]) == os.EX_CONFIG
    assert "GPU_WORKER_WINDOW: write a whole number" in capsys.readouterr().err


def test_figures_are_served_to_prometheus(valkey: redis.Redis) -> None:
    register(valkey, "a")
    port = free_port()
    metrics.serve(("127.0.0.1", port), metrics.WorkerFigures(valkey, "a", restarts=lambda: 4))

    def scrape() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:  # our own address
            return str(answer.read(), "utf-8")

    text = scrape()
    assert 'gpu_worker_up{worker="a"} 1.0' in text
    assert 'gpu_worker_restarts_total{worker="a"} 4.0' in text
    assert 'gpu_worker_used_bytes{worker="a"} 6.442450944e+09' in text
    assert 'gpu_worker_state{state="idle",worker="a"} 1.0' in text
    assert 'gpu_worker_component_bytes{component="vae",key="vae:1",tier="device",worker="a"}' in text
    assert 'gpu_worker_events_total{kind="renders_succeeded",worker="a"} 3.0' in text
    valkey.delete(worker_key("a"))
    assert 'gpu_worker_up{worker="a"} 0.0' in scrape()


def test_of_several_cards_each_has_its_figures(valkey: redis.Redis) -> None:
    cards = (CardStatus(name="cpu", used_bytes=8 * GIB, is_busy=True), CardStatus(name="cpu", used_bytes=4 * GIB))
    status = WorkerStatus(name="a", cards=cards)
    valkey.set(worker_key("a"), json.dumps(status.to_wire()))
    samples = {
        (sample.name, sample.labels.get("card")): sample.value
        for family in metrics.WorkerFigures(valkey, "a", restarts=lambda: 0).collect()
        for sample in family.samples
    }
    assert [samples["gpu_worker_card_used_bytes", card] for card in ("0", "1")] == [8 * GIB, 4 * GIB]
    assert [samples["gpu_worker_card_busy", card] for card in ("0", "1")] == [1, 0]
    assert "cpu  8.00 GiB of 0.00 GiB, at the clip" in table([status])


def test_which_cards_are_at_a_clip_is_said_with_its_first_step(valkey: redis.Redis) -> None:
    engine = CardsEngine()
    reporter = StatusReporter(heart := Heartbeat(valkey, first_status("a", engine), also=lambda: None), engine)
    reporter.idle()
    reporter.stage("denoising")
    engine.cards = (CardStatus(is_busy=True), CardStatus(is_busy=True))
    assert not any(card.is_busy for card in heart.status.cards)
    reporter.stage("denoising")
    assert all(card.is_busy for card in heart.status.cards)


def test_figures_are_served_while_valkey_is_away() -> None:
    away = connect(f"redis://127.0.0.1:{free_port()}/0")
    names = {metric.name for metric in metrics.WorkerFigures(away, "a", restarts=lambda: 0).collect()}
    assert names == {"gpu_worker_up", "gpu_worker_restarts"}


def test_looking_at_the_fleet_loads_nothing_that_renders() -> None:
    code = (
        "import sys, gpu_worker.__main__, gpu_worker.supervisor, gpu_worker.metrics; "
        "print(sorted({'torch', 'diffusers', 'transformers', 'av', 'django'} & set(sys.modules)))"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"


def test_what_a_gpu_host_may_write_drains_nobody(valkey: redis.Redis, tmp_path: Path) -> None:
    engine = ScriptedEngine()
    reporter = StatusReporter(Heartbeat(valkey, first_status("a", engine), also=lambda: None), engine)
    between_jobs = BetweenJobs(valkey, "a", engine, reporter, WarmModels(tmp_path / "warm.json"))
    valkey.set(f"{worker_key('a')}:drain", 1)
    between_jobs.refresh_drained()
    assert not reporter.is_drained
