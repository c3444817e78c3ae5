"""``STORAGE_URL``: what it names, and what it is told apart from."""

from __future__ import annotations

from pathlib import Path

import pytest

from loremotion.storage_url import Bucket, Folder, read

BASE = Path("/srv/site")


@pytest.mark.parametrize(
    ("url", "path"),
    [("folder:var/media", "/srv/site/var/media"), ("folder:/data/media", "/data/media")],
)
def test_a_folder_is_relative_to_the_site(url: str, path: str) -> None:
    assert read(url, base=BASE) == Folder(path=Path(path))


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("s3://clips", "https://clips.s3.us-east-1.amazonaws.com"),
        ("s3://clips?region=eu-central-1&addressing=path", "https://s3.eu-central-1.amazonaws.com"),
        ("s3://clips/site/one?endpoint=https://storage.example", "https://storage.example"),
        ("s3://clips?endpoint=http://127.0.0.1:9000/", "http://127.0.0.1:9000"),
        ("s3://clips?endpoint=https://storage.example&addressing=virtual", "https://clips.storage.example"),
    ],
)
def test_browsers_load_from_the_buckets_origin(url: str, origin: str) -> None:
    bucket = read(url, base=BASE)
    assert isinstance(bucket, Bucket)
    assert bucket.origin == origin


def test_a_cdn_stands_in_front_of_it() -> None:
    bucket = read("s3://clips", media_url="https://cdn.example", base=BASE)
    assert isinstance(bucket, Bucket)
    assert bucket.origin == "https://cdn.example"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "must be like"),
        ("/var/media", "must be like"),
        ("https://storage.example/clips", "must be like"),
        ("folder:", "must be like"),
        ("s3://", "names no bucket"),
        ("s3://Clips", "names no bucket"),
        ("s3://key:secret@clips", "keys do not belong there"),
        ("s3://clips/../other", "odd prefix"),
        ("s3://clips?endpoint=storage.example", "endpoint that is none"),
        ("s3://clips?endpoint=https://key:secret@storage.example", "endpoint that is none"),
        ("s3://clips?endpoint=https://storage.example/path", "endpoint that is none"),
        ("s3://clips?secret=1", "knows no secret"),
        ("s3://clips?addressing=other", "path or virtual"),
    ],
)
def test_what_names_no_store_is_refused_and_keys_are_not_repeated(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        read(url, base=BASE)
    assert "key:secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "media_url"), [("s3://clips", "https://cdn.example/path"), ("folder:var/media", "https://cdn.example")]
)
def test_a_cdn_that_cannot_be_used_is_refused(url: str, media_url: str) -> None:
    with pytest.raises(ValueError, match="MEDIA_URL"):
        read(url, media_url=media_url, base=BASE)
