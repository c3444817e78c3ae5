"""The doctor tries the store, and says what to do where it cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.files.storage import default_storage, storages
from pytest_django import Settings

from generation.storage import round_trip
from generation.storage.s3 import S3Store
from generation.storage.store import SignedPut
from loremotion import storage_url
from tests.object_store import swift
from tests.object_store.stores import use_bucket


def test_a_store_that_works_has_no_fault_and_keeps_nothing(each_store: str) -> None:
    assert round_trip.find_fault() is None
    assert each_store == "folder" or list(default_storage.next_found("doctor")) == []  # type: ignore[attr-defined]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "media").write_text("a file in its place")
    folder = storage_url.Folder(path=tmp_path / "media")
    settings.STORAGES = {**settings.STORAGES, "default": folder.backend()}
    fault = round_trip.find_fault()
    assert fault is not None
    assert "MEDIA_DIR" in fault.next_step


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"bucket_name": "another"}, "Make the bucket"),
        ({"secret_key": "another"}, "AWS_SECRET_ACCESS_KEY"),
        ({"access_key": "nobody:here"}, "AWS_"),
        ({"endpoint_url": "http://127.0.0.1:9"}, "endpoint"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_explained(
    bucket: S3Store, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], says: str
) -> None:
    for name, value in changes.items():
        monkeypatch.setattr(bucket, name, value)
    bucket._shared = None
    fault = round_trip.find_fault()
    assert fault is not None
    assert says in fault.next_step, fault


def test_a_cdn_that_is_none_is_told_from_a_bucket_that_works(swift_server: swift.Swift, settings: Settings) -> None:
    use_bucket(swift_server, settings, media_url="http://127.0.0.1:9")
    fault = round_trip.find_fault()
    assert fault is not None
    assert "out of reach" in fault.what


def test_a_service_that_checks_no_digest_is_found_out(bucket: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = bucket.sign_put

    def unbound(key: str, *, content_type: str, size_bytes: int, sha256: str) -> object:
        signed = real(key, content_type=content_type, size_bytes=size_bytes, sha256=sha256)
        assert signed is not None
        place = {**bucket.place(key), "ContentType": content_type}
        url = bucket.client.generate_presigned_url("put_object", Params=place)
        return SignedPut(url=url, headers={"Content-Type": content_type})

    monkeypatch.setattr(storages["default"], "sign_put", unbound)
    fault = round_trip.find_fault()
    assert fault is not None
    assert "SHA-256" in fault.next_step
