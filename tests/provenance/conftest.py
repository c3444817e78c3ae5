"""A site that signs its clips, and clips that can be signed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from pytest_django import Settings

from generation.models import Generation
from generation.provenance import inspection, picture_hashes, signing
from generation.provenance.certificate import make_own
from generation.scheduling import dispatch
from generation.settlement import settle, signing_queue
from generation.storage import files
from gpu_worker.contract import RenderReport
from gpu_worker.last_work import LastWork
from tests.generation import factories
from tests.generation.conftest import alice, client_of, empty_valkey
from tests.media_files import write_video

__all__ = ["alice", "client_of", "empty_valkey"]

SITE = "Clips of Example"

Delivered = Callable[..., RenderReport]


def settle_signed(report: RenderReport) -> bool:
    """Do what the process ``signing`` does with a report in its line."""
    return signing_queue.settle_signed(report.to_wire())


def sign_due() -> None:
    """Do what that process does with the clips that the beat puts into its line now."""
    for generation_id in signing.claim_due(limit=signing_queue.LATE_IN_LINE):
        signing_queue.sign_late(str(generation_id))


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, signing and reading take as long as they take."""
    monkeypatch.setattr(signing, "WALL_SECONDS", 3600.0)
    monkeypatch.setattr(inspection, "WALL_SECONDS", 3600.0)
    monkeypatch.setattr(picture_hashes, "WALL_SECONDS", 3600.0)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate that a site issued to itself."""
    folder = tmp_path_factory.mktemp("c2pa")
    make_own(folder / "certificate.pem", folder / "key.pem", folder / "issuers.pem", name=SITE)
    return folder


@pytest.fixture
def signing_site(settings: Settings, certificates: Path) -> Settings:
    """Settings by which clips are signed."""
    settings.C2PA_CERTIFICATE = str(certificates / "certificate.pem")
    settings.C2PA_PRIVATE_KEY = str(certificates / "key.pem")
    settings.C2PA_ISSUERS = str(certificates / "issuers.pem")
    return settings


@pytest.fixture
def at_work(signing_site: Settings, valkey: redis.Redis) -> None:
    """The site signs, and the process for it works."""
    LastWork(valkey, signing_queue.QUEUE).note()


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An MP4 as a worker delivers it."""
    return write_video(tmp_path_factory.mktemp("film") / "clip.mp4").read_bytes()


@pytest.fixture
def delivered(film: bytes) -> Delivered:
    """What puts the film where the worker of a request puts it. Returns the report of that."""

    def deliver(generation: Generation, film: bytes = film) -> RenderReport:
        dispatch.fill_window()
        generation.refresh_from_db()
        settle.start(generation_id=generation.id, attempt=generation.attempt, worker="gpu-test")
        factories.deliver_clip(generation)
        key = files.key(generation, files.CLIP)
        default_storage.delete(key)
        default_storage.save(key, ContentFile(film))
        facts = factories.clip_facts(generation).to_wire()
        facts |= {"size_bytes": len(film), "sha256": hashlib.sha256(film).hexdigest()}
        return factories.report(generation, clip=type(factories.clip_facts(generation))(**facts))

    return deliver


@pytest.fixture
def mine(valkey: redis.Redis) -> Generation:
    """A request for a clip."""
    factories.model()
    return factories.submitted(factories.visitor(credits=100).workspace)
