"""What crosses the wire is read as its types say, or not at all."""

from __future__ import annotations

import dataclasses
import json
import logging
import uuid
from typing import Any, cast

import pytest
import redis

from gpu_worker import worker_status
from gpu_worker.contract import ClipFacts, ModelSpec, Outcome, Progress, RenderReport
from gpu_worker.heartbeat import Heartbeat
from gpu_worker.valkey_names import worker_key
from gpu_worker.worker_status import CONTRACT_VERSION, ResidentComponent, WorkerStatus, read_status

STATUS = WorkerStatus(
    name="a",
    version=CONTRACT_VERSION,
    host="rack-3",
    pid=42,
    device="H200",
    budget_bytes=24 * 2**30,
    residents=(ResidentComponent(key="vae:1", name="vae", size_bytes=1, tier="ram", last_used=1.0, leases=0),),
    counters={"evictions": 1.0},
)


def said(**changes: Any) -> bytes:
    return json.dumps(STATUS.to_wire() | changes).encode()


def test_a_heartbeat_is_read_and_carries_its_version(valkey: redis.Redis) -> None:
    Heartbeat(valkey, dataclasses.replace(STATUS, version=0), also=lambda: None).beat()
    status = read_status("a", cast(bytes, valkey.get(worker_key("a"))))
    assert status is not None
    assert dataclasses.replace(status, beat_at=0.0, clock_ahead_seconds=0.0) == STATUS


@pytest.mark.parametrize("message", [WorkerStatus, ResidentComponent])
def test_a_heartbeat_may_lack_any_field(message: type[WorkerStatus]) -> None:
    for field in dataclasses.fields(message):
        assert dataclasses.MISSING in (field.default, field.default_factory)
        assert field.default is not field.default_factory, f"{field.name} has no default"


def test_what_is_missing_is_filled_in_and_what_is_new_is_left_out() -> None:
    status = read_status("a", b'{"residents": [{}], "of_next_year": [1]}')
    assert status == WorkerStatus(name="a", version=0, residents=(ResidentComponent(),))


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"5",
        b"null",
        b"[" * 50_000,
        said(budget_bytes="much"),
        said(budget_bytes=None),
        said(budget_bytes=1.5),
        said(budget_bytes=True),
        said(budget_bytes=10**30),
        said(beat_at=float("nan")),
        said(beat_at=float("inf")),
        said(beat_at=10**400),
        said(state=5),
        said(residents={"a": 1}),
        said(residents=[5]),
        said(residents="ab"),
        said(counters=[1]),
        said(counters={"evictions": "many"}),
        said(generation_id=5),
    ],
)
def test_an_odd_heartbeat_is_left_out_and_said_once(odd: bytes, caplog: pytest.LogCaptureFixture) -> None:
    name = f"odd-{uuid.uuid4()}"  # nobody has heard of it yet
    with caplog.at_level(logging.WARNING):
        assert read_status(name, odd) is None
        assert read_status(name, odd) is None
    assert len(caplog.records) == 1
    assert name in caplog.text


def test_who_says_nothing_is_not_there() -> None:
    assert read_status("a", None) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"steps_done": "8"},
        {"stage_seconds": {"denoising": float("nan")}},
        {"stage_seconds": [1]},
        {"outcome": "exploded"},
        {"clip": 5},
        {"clip": {"width": 1}},
        {"similarity": float("inf")},
        {"peak_bytes": 10**30},
    ],
)
def test_an_odd_report_is_an_error_and_no_report(changes: dict[str, Any]) -> None:
    report = RenderReport(
        generation_id="g",
        attempt=1,
        worker="w",
        outcome=Outcome.SUCCEEDED,
        clip=ClipFacts(width=1, height=1, num_frames=1, fps=8, duration_seconds=1, size_bytes=1, sha256="0"),
    )
    assert RenderReport.from_wire(json.loads(json.dumps(report.to_wire()))) == report
    with pytest.raises((KeyError, TypeError, ValueError)):
        RenderReport.from_wire(report.to_wire() | changes)


def test_a_whole_number_serves_as_a_fraction() -> None:
    assert Progress.from_wire({"kind": "step", "seconds_per_step": 2}).seconds_per_step == 2.0


def test_a_job_of_the_release_before_says_block_swap_by_its_former_name() -> None:
    spec = ModelSpec(slug="ltx", version=1, family="ltx", source="Lightricks/LTX-Video", placement="streamed")
    assert ModelSpec.from_wire(spec.to_wire() | {"placement": "streamed"}).placement == "block_swap"
    assert ModelSpec.from_wire(spec.to_wire() | {"placement": "tiled"}).placement == "tiled"


def test_what_follows_when_the_frames_have_left_the_card_keeps_it_from_nobody() -> None:
    seconds = {"loading": 1.0, "denoising": 2.0, "decoding": 4.0, "encoding_video": 8.0, "uploading": 16.0}
    report = RenderReport(generation_id="g", attempt=1, worker="w", outcome=Outcome.SUCCEEDED, stage_seconds=seconds)
    assert report.gpu_seconds == 7.0
    assert dataclasses.replace(report, cards=4).gpu_seconds == 28.0


def test_what_a_worker_says_again_is_not_read_again_and_what_it_says_anew_is() -> None:
    said = [json.dumps(WorkerStatus(name="w", host="h", beat_at=float(n)).to_wire()).encode() for n in range(2)]
    first = read_status("w", said[0])
    assert read_status("w", said[0]) is first
    assert (again := read_status("w", said[1])) is not None
    assert again.beat_at == 1.0


def test_a_heartbeat_that_is_too_long_counts_as_none_and_what_is_remembered_has_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert read_status("w", json.dumps({"residents": [{}] * 30_000}).encode()) is None
    monkeypatch.setattr(worker_status, "MOST_KEPT_BYTES", 10_000)
    readings = worker_status._Readings()
    for n in range(1_000):
        assert readings.read(f"w{n}", json.dumps({"host": f"{n}" * 20}).encode()) is not None
    assert sum(len(said) for said, _ in readings._by_name.values()) <= 10_000
