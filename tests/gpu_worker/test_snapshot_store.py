"""Snapshots that leave their host: the newest goes out beside the render, and comes back only as it was."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import redis

from gpu_worker import addresses, snapshot_store
from gpu_worker.contract import Outcome, RenderJob
from gpu_worker.inputs import Fetcher, Most
from gpu_worker.leaving import HandedBack
from gpu_worker.snapshot_files import SnapshotFiles
from gpu_worker.snapshot_store import SnapshotStore
from gpu_worker.step_aside import SteppedAside
from gpu_worker.upload import Uploader
from gpu_worker.worker import GpuWorker
from tests.gpu_worker.conftest import enqueue, finished_reports, make_job
from tests.gpu_worker.file_server import FileServer, serving
from tests.gpu_worker.scripted import ScriptedEngine
from tests.patience import wait_until

ADDRESS = "/clips/snapshot"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as running:
        yield running


@pytest.fixture
def store() -> Iterator[SnapshotStore]:
    with addresses.client() as client:
        uploader, fetcher = Uploader(client, 2, pause=lambda _: None), Fetcher(client, 2, 1, pause=lambda _: None)
        yield SnapshotStore(uploader, fetcher, every_seconds=0.0)


@pytest.fixture
def job(tmp_path: Path, server: FileServer) -> RenderJob:
    return make_job(tmp_path, snapshot_to=server.address(ADDRESS), snapshot_from=server.address(ADDRESS))


def host(folder: Path, name: str) -> SnapshotFiles:
    return SnapshotFiles(folder / name, every_seconds=0.0)


def fetched(store: SnapshotStore, job: RenderJob, folder: Path, files: SnapshotFiles) -> list[bytes]:
    store.fetch(job, folder, files, lambda: None)
    return [path.read_bytes() for path in files.of(job.generation_id)]


def put(store: SnapshotStore, job: RenderJob, folder: Path, files: SnapshotFiles, content: bytes) -> None:
    """As a worker that leaves does it."""
    with (
        suppress(HandedBack),
        store.beside(job, folder, files, may_go_elsewhere=lambda _: True, while_waiting=lambda: None) as note,
    ):
        files.write(job.generation_id, content)
        note()
        raise HandedBack


def test_what_one_host_wrote_another_has(store: SnapshotStore, job: RenderJob, tmp_path: Path) -> None:
    put(store, job, tmp_path, host(tmp_path, "first"), b"state")
    assert fetched(store, job, tmp_path, host(tmp_path, "second")) == [b"state"]


def holds(server: FileServer, content: bytes) -> bool:
    return server.files.get(ADDRESS) == content


def test_while_it_renders_the_newest_goes_out(
    store: SnapshotStore, job: RenderJob, server: FileServer, tmp_path: Path
) -> None:
    files = host(tmp_path, "first")
    with store.beside(job, tmp_path, files, may_go_elsewhere=lambda _: False, while_waiting=lambda: None) as note:
        for content in (b"step 1", b"step 2"):
            files.write(job.generation_id, content)
            note()
            whole = content + hashlib.sha256(content).digest()
            wait_until(partial(holds, server, whole))


@pytest.mark.parametrize("error", [SteppedAside(), RuntimeError()])
def test_what_does_not_go_on_elsewhere_waits_for_nothing(
    store: SnapshotStore, job: RenderJob, server: FileServer, tmp_path: Path, error: Exception
) -> None:
    late = replace(store, every_seconds=3600.0)
    files = host(tmp_path, "first")
    waited: list[None] = []
    with (
        pytest.raises(type(error)),
        late.beside(job, tmp_path, files, may_go_elsewhere=lambda _: False, while_waiting=lambda: waited.append(None)),
    ):
        raise error
    assert (waited, server.requests) == ([], [])


def test_where_the_row_does_not_want_it_nothing_leaves_the_host(
    store: SnapshotStore, job: RenderJob, server: FileServer, tmp_path: Path
) -> None:
    put(store, replace(job, snapshot_to=""), tmp_path, host(tmp_path, "first"), b"state")
    assert fetched(store, replace(job, snapshot_from=""), tmp_path, host(tmp_path, "second")) == []
    assert server.requests == []


@pytest.mark.parametrize(
    "stored",
    [
        b"state" + bytes(32),
        (b"state" + hashlib.sha256(b"state").digest())[:-1],
        b"",
        b"x" * 2000,
    ],
    ids=["other bytes", "cut off", "empty", "too large"],
)
def test_what_is_not_as_it_was_put_is_left(
    store: SnapshotStore,
    job: RenderJob,
    server: FileServer,
    tmp_path: Path,
    stored: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshot_store, "_MOST", Most("The snapshot", 1000))
    server.files[ADDRESS] = stored
    assert fetched(store, job, tmp_path, host(tmp_path, "second")) == []


def test_without_one_the_render_begins_anew(store: SnapshotStore, job: RenderJob, tmp_path: Path) -> None:
    assert fetched(store, job, tmp_path, host(tmp_path, "second")) == []


def taken(attempt: int, step: int) -> bytes:
    """A snapshot as the engine writes it, without tensors."""
    header = json.dumps({"attempt": attempt, "steps": [step, 50]})
    metadata = json.dumps({"__metadata__": {"header": header}}).encode()
    return len(metadata).to_bytes(8, "little") + metadata


def fetches(server: FileServer) -> int:
    return len([request for request in server.requests if request.startswith("GET")])


@pytest.mark.parametrize(
    ("own", "stored", "has_stored", "asked"),
    [
        ((2, 12), (1, 10), False, 0),
        ((1, 10), (2, 40), True, 1),
        ((1, 40), (1, 30), False, 1),
        ((1, 40), (2, 5), True, 1),
    ],
    ids=[
        "the last attempt was here",
        "another host came further since",
        "the other host was lost before it took one",
        "the other host began anew, since the older one was no good",
    ],
)
def test_the_newer_of_the_hosts_own_and_the_stores_is_gone_on_from(
    store: SnapshotStore,
    job: RenderJob,
    server: FileServer,
    tmp_path: Path,
    own: tuple[int, int],
    stored: tuple[int, int],
    has_stored: bool,
    asked: int,
) -> None:
    put(store, job, tmp_path, host(tmp_path, "second"), taken(*stored))
    files = host(tmp_path, "first")
    files.write(job.generation_id, taken(*own))
    found = fetched(store, replace(job, attempt=3), tmp_path, files)
    assert found == [taken(*(stored if has_stored else own))]
    assert fetches(server) == asked


def test_an_own_one_that_is_damaged_is_none(store: SnapshotStore, job: RenderJob, tmp_path: Path) -> None:
    put(store, job, tmp_path, host(tmp_path, "second"), taken(1, 10))
    files = host(tmp_path, "first")
    files.write(job.generation_id, taken(2, 20))
    files.of(job.generation_id)[0].write_bytes(taken(2, 20)[:-1])
    assert fetched(store, replace(job, attempt=3), tmp_path, files) == [taken(1, 10)]


def test_a_store_that_is_away_leaves_the_host_its_own(
    store: SnapshotStore, job: RenderJob, server: FileServer, tmp_path: Path
) -> None:
    files = host(tmp_path, "first")
    files.write(job.generation_id, taken(1, 10))
    server.answers = [503] * 2
    assert fetched(store, replace(job, attempt=3), tmp_path, files) == [taken(1, 10)]


def test_a_store_that_is_away_ends_no_render(
    store: SnapshotStore, job: RenderJob, server: FileServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers = [503] * 4
    put(store, job, tmp_path, host(tmp_path, "first"), b"state")
    assert "does not reach the store" in caplog.text
    assert fetched(store, job, tmp_path, host(tmp_path, "second")) == []


def test_an_upload_that_does_not_end_holds_up_the_handing_back_for_a_moment_only(
    store: SnapshotStore, job: RenderJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    monkeypatch.setattr(Uploader, "put", lambda *_: over.wait())
    monkeypatch.setattr(snapshot_store, "LAST_SECONDS", 0.01)
    put(store, job, tmp_path, host(tmp_path, "first"), b"state")
    over.set()


def test_a_worker_has_it_before_its_engine_begins(
    valkey: redis.Redis,
    run_worker: Callable[..., GpuWorker],
    store: SnapshotStore,
    job: RenderJob,
    tmp_path: Path,
) -> None:
    put(store, job, tmp_path, host(tmp_path, "first"), b"state")
    found: list[bytes] = []

    class Looking(ScriptedEngine):
        def render(self, job: RenderJob, *, snapshots: SnapshotFiles | None = None, **others: object) -> object:  # type: ignore[override]  # what it is asked for, and no more
            assert snapshots is not None
            found.extend(path.read_bytes() for path in snapshots.of(job.generation_id))
            return super().render(job, **others)  # type: ignore[arg-type]  # passed on as they are

    enqueue(valkey, replace(job, attempt=2))
    run_worker(Looking())
    assert found == [b"state"]
    assert [report.outcome for report in finished_reports(valkey)] == [Outcome.SUCCEEDED]
