"""A site moves from its folder into a bucket: every file, whole, as often as it is tried."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from generation.storage import moving
from generation.storage.s3 import S3Store, StoreUnavailable

FILES = {
    "clips/0/clip.mp4": b"clip" * 1000,
    "clips/0/poster.jpg": b"poster",
    "clips/1/clip.mp4": b"another",
    "inputs/2/image.png": b"picture",
}


@pytest.fixture
def media(tmp_path: Path) -> Path:
    others = ["clips/0/clip.mp4.0a.arriving", "clips/0/.clip.mp4.0a.part", "notes.txt"]
    for key, content in {**FILES, **dict.fromkeys(others, b"half")}.items():
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def run(media: Path) -> str:
    said = io.StringIO()
    call_command("move_storage", str(media), stdout=said)
    return said.getvalue()


def test_every_file_is_there_as_it_was(bucket: S3Store, media: Path) -> None:
    assert "4 files" in run(media)
    for key, content in FILES.items():
        with bucket.open(key) as file:
            assert file.read() == content
    found = [each.key for place in moving.PLACES for each in bucket.next_found(place)]
    assert sorted(found) == sorted(FILES)


def test_again_copies_what_is_new_or_other_alone(bucket: S3Store, media: Path) -> None:
    assert "4 of them new" in run(media)
    assert "0 of them new" in run(media)
    (media / "clips/1/clip.mp4").write_bytes(b"changed")
    (media / "clips/1/poster.jpg").write_bytes(b"came meanwhile")
    assert "5 files are in the bucket as they are in the folder, 2 of them new." in run(media)


def test_it_goes_on_where_it_was_broken_off(bucket: S3Store, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put, calls = S3Store.put, []

    def break_off(self: S3Store, key: str, *args: object, **options: object) -> None:
        calls.append(key)
        if len(calls) == 3:
            raise StoreUnavailable("it does not answer")
        put(self, key, *args, **options)  # type: ignore[arg-type]  # as it was called

    with monkeypatch.context() as broken:
        broken.setattr(S3Store, "put", break_off)
        with pytest.raises(CommandError, match="it does not answer"):
            run(media)
    assert "2 of them new" in run(media)


def test_a_file_that_the_site_deletes_meanwhile_is_left_out(bucket: S3Store, media: Path) -> None:
    files = moving.files_of(media)
    (media / "clips/1/clip.mp4").unlink()
    assert [moved.key for moved in moving.move(media, files, bucket)] == sorted(FILES.keys() - {"clips/1/clip.mp4"})


def test_a_folder_is_no_bucket_to_move_into(folder: None, media: Path) -> None:
    with pytest.raises(CommandError, match="names no bucket"):
        run(media)


def test_a_folder_that_is_not_there_is_named(bucket: S3Store, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is no folder"):
        run(tmp_path / "elsewhere")
