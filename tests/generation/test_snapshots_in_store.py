"""A render whose host is lost goes on at another, where its row wants that: from a snapshot in the site's store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import diffusers
import httpx
import pytest
import torch
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.caller import Caller
from accounts.models import Visitor
from accounts.roles import VISITOR_MAY
from generation import workspace_data
from generation.models import Generation, State
from generation.scheduling import dispatch
from generation.settlement import deletion, settle
from generation.storage import files, leftovers
from generation.storage.store import store
from gpu_worker import addresses
from gpu_worker.contract import RenderJob
from gpu_worker.engine import Cpu, Engine, RenderedClip, RenderStopped
from gpu_worker.engine.snapshots import render_snapshots
from gpu_worker.inputs import Fetcher
from gpu_worker.rq_seams.allowed_jobs import AllowedJob
from gpu_worker.snapshot_files import SnapshotFiles
from gpu_worker.snapshot_store import SnapshotStore
from gpu_worker.upload import Uploader
from loremotion import queues
from tests.engine.jobs import Listener
from tests.generation import factories
from tests.tiny import ltx

STEPS = 4


@pytest.fixture(params=["shared folder", "folder", "bucket"])
def way(request: pytest.FixtureRequest, settings: Settings) -> str:
    """How a host comes to the store."""
    request.getfixturevalue("bucket" if request.param == "bucket" else "folder")
    settings.CLIP_UPLOAD = "folder" if request.param == "shared folder" else "http"
    return str(request.param)


@pytest.fixture
def dispatched(way: str, alice: Visitor) -> Generation:
    factories.model(snapshots_in_store=True, presets={"standard": {"steps": STEPS}})
    return _dispatched(factories.submitted(alice.workspace, size="96x64"))


def _dispatched(generation: Generation) -> Generation:
    dispatch.fill_window()
    generation.refresh_from_db()
    return generation


def job_of(generation: Generation) -> RenderJob:
    """The present attempt, as a host finds it in line."""
    queued = queues.job(generation.job_id)
    assert isinstance(queued, AllowedJob)
    return RenderJob.from_wire(queued.args[0])


@pytest.fixture
def network(settings: Settings) -> Iterator[httpx.Client]:
    """A GPU host's: the site answers in this process, a bucket in its own."""
    with addresses.client() as client:
        client._mounts = {httpx._utils.URLPattern(settings.SITE_URL): httpx.MockTransport(_site)}
        yield client


def _site(request: httpx.Request) -> httpx.Response:
    path, body = request.url.raw_path.decode(), request.read()
    kind = request.headers.get("Content-Type", "")
    answer = Client().generic(request.method, path, body, kind)
    content = b"".join(answer) if answer.streaming else answer.content
    return httpx.Response(answer.status_code, headers=dict(answer.items()), content=content)


@dataclass
class Host:
    """A machine with its own files, among them the model."""

    folder: Path
    network: httpx.Client

    def __post_init__(self) -> None:
        self.folder.mkdir()
        uploader = Uploader(self.network, 2, pause=lambda _: None)
        self.store = SnapshotStore(uploader, Fetcher(self.network, 2, 1, pause=lambda _: None), every_seconds=3600.0)
        self.snapshots = SnapshotFiles(self.folder / "snapshots", every_seconds=0.0)

    def render(self, job: RenderJob, *, stop_after: int | None = None) -> tuple[RenderedClip, list[int]]:
        """The clip, and the steps that were made here."""
        listener = Listener(stop_after_steps=stop_after)
        engine = Engine(device=Cpu(2**30), models=self.folder / "models", cache=self.folder / "cache")
        self.store.fetch(job, self.folder, self.snapshots, lambda: None)
        with self.store.beside(
            job, self.folder, self.snapshots, may_go_elsewhere=lambda _: True, while_waiting=lambda: None
        ) as note_written:
            made = engine.render(
                job,
                inputs={},
                folder=self.folder,
                on_progress=listener,
                should_stop=listener.should_stop,
                snapshots=replace(self.snapshots, on_write=note_written),
            )
        return made, [entry.step for entry in listener.of("step")]


@pytest.mark.django_db(transaction=True)
def test_another_host_goes_on_to_the_same_bytes(
    dispatched: Generation, network: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render_snapshots, "MOST_COST", float("inf"))  # a tiny step is shorter than writing a file
    torch.set_num_threads(1)
    diffusers.utils.logging.disable_progress_bar()
    first, second = Host(tmp_path / "first", network), Host(tmp_path / "second", network)
    ltx.build(first.folder / "models" / "toy")
    shutil.copytree(first.folder / "models", second.folder / "models", copy_function=shutil.copyfile)  # of another day
    job = job_of(dispatched)
    assert job.snapshot_to
    assert not job.snapshot_from  # there is none
    with pytest.raises(RenderStopped):
        first.render(job, stop_after=2)

    assert factories.lose_worker(dispatched, 1)
    again = job_of(_dispatched(dispatched))
    resumed, steps = second.render(again)

    assert steps == [3, 4]
    assert resumed.resumed_from_step == 2
    first.snapshots.discard(job.generation_id)
    undisturbed, steps = first.render(replace(job, snapshot_to=""))
    assert steps == [1, 2, 3, 4]
    assert resumed.facts.sha256 == undisturbed.facts.sha256


def keep(generation: Generation) -> str:
    """Put a snapshot where a host would."""
    return default_storage.save(files.snapshot_key(generation.id), ContentFile(b"state"))


def send(network: httpx.Client, job: RenderJob, folder: Path, content: bytes) -> None:
    made = folder / "made"
    made.write_bytes(content)
    Uploader(network, 1).put(made, job.snapshot_to, "application/octet-stream", lambda: None)


def test_each_takes_the_place_of_the_one_before(dispatched: Generation, network: httpx.Client, tmp_path: Path) -> None:
    for content in (b"older", b"newer"):
        send(network, job_of(dispatched), tmp_path, content)
    with default_storage.open(files.snapshot_key(dispatched.id)) as kept:
        assert kept.read() == b"newer"
    dispatched.refresh_from_db()
    assert not dispatched.delivered


def test_an_attempt_that_is_over_replaces_none(
    dispatched: Generation, network: httpx.Client, tmp_path: Path, way: str
) -> None:
    if way == "shared folder":
        pytest.skip("nobody is asked there")
    former = job_of(dispatched)
    assert factories.lose_worker(dispatched, 1)
    send(network, job_of(_dispatched(dispatched)), tmp_path, b"newer")
    with pytest.raises(addresses.TransferFailed):
        send(network, former, tmp_path, b"older")
    with default_storage.open(files.snapshot_key(dispatched.id)) as kept:
        assert kept.read() == b"newer"


def test_it_goes_with_the_end_of_the_request(
    dispatched: Generation, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    key = keep(dispatched)
    factories.deliver_clip(dispatched)
    with django_capture_on_commit_callbacks(execute=True):
        assert settle.settle(factories.report(dispatched))
    assert not default_storage.exists(key)
    assert files.has_clip(dispatched)


def test_what_comes_after_the_end_is_swept_and_what_an_open_request_needs_stays(
    dispatched: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "LEFT_AFTER_SECONDS", -60.0)
    key = keep(dispatched)
    leftovers.sweep_leftovers()
    assert default_storage.exists(key)
    factories.deliver_clip(dispatched)
    assert settle.settle(factories.report(dispatched))
    leftovers.sweep_leftovers()
    assert not store().exists(key)
    assert files.has_clip(dispatched)


def test_neither_a_deleted_request_nor_an_erased_workspace_leaves_one_and_no_export_has_it(
    dispatched: Generation, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    key = keep(dispatched)
    exported = workspace_data.export(dispatched.workspace, reader=Caller(dispatched.workspace, VISITOR_MAY))
    assert not [each.path for each in exported if each.path.startswith("clips/")]
    Generation.objects.filter(id=dispatched.id).update(state=State.CANCELLED)
    dispatched.refresh_from_db()
    with django_capture_on_commit_callbacks(execute=True):
        deletion.delete(dispatched)
    assert not default_storage.exists(key)
    keep(dispatched)
    with django_capture_on_commit_callbacks(execute=True):
        workspace_data.erase(dispatched.workspace)
    assert not default_storage.exists(key)


def test_a_row_that_does_not_want_it_names_no_address(alice: Visitor, way: str) -> None:
    factories.model()
    job = job_of(_dispatched(factories.submitted(alice.workspace)))
    assert (job.snapshot_to, job.snapshot_from) == ("", "")
