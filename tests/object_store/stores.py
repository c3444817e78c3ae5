"""The stores that tests of files run on: a folder, and a bucket of a real object store."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.core.files.storage import storages
from pytest_django import Settings

from generation.storage.s3 import S3Store
from loremotion import storage_url
from tests.object_store import swift


@pytest.fixture(scope="session")
def swift_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[swift.Swift]:
    """One for all tests of a process that need it."""
    if reason := swift.reason_to_skip():
        pytest.skip(reason)
    server = swift.Swift(tmp_path_factory.mktemp("swift"))
    server.start()
    keys = {"aws_access_key_id": swift.ACCESS_KEY, "aws_secret_access_key": swift.SECRET_KEY}
    client = boto3.client("s3", endpoint_url=server.endpoint, region_name="us-east-1", **keys)
    client.create_bucket(Bucket=swift.BUCKET)
    yield server
    server.stop()


@pytest.fixture
def bucket(swift_server: swift.Swift, settings: Settings) -> S3Store:
    """The site keeps its files in a bucket, under a prefix that no other test has."""
    return use_bucket(swift_server, settings)


def use_bucket(server: swift.Swift, settings: Settings, **changes: Any) -> S3Store:
    url = f"s3://{swift.BUCKET}/{uuid.uuid4()}?endpoint={server.endpoint}"
    store_of_url = storage_url.read(url, base=Path("/"), **changes)
    keys = {"access_key": swift.ACCESS_KEY, "secret_key": swift.SECRET_KEY}
    backend = store_of_url.backend()
    backend["OPTIONS"] |= keys
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    settings.CLIP_UPLOAD = "http"
    used = storages["default"]
    assert isinstance(used, S3Store)
    return used


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> None:
    """The site keeps its files in a folder that no other test has."""
    settings.STORAGES = {**settings.STORAGES, "default": storage_url.Folder(path=tmp_path / "media").backend()}
    settings.MEDIA_DIR = tmp_path / "media"


@pytest.fixture(params=["folder", "bucket"])
def each_store(request: pytest.FixtureRequest) -> str:
    """Runs the test on a folder, and again on a bucket."""
    request.getfixturevalue(request.param)
    return str(request.param)
