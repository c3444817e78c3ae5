from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.files.storage import storages
from django.core.management.base import BaseCommand, CommandError, CommandParser

from generation.storage import moving
from generation.storage.s3 import S3Store, StoreUnavailable

_WIDTH = 40


class Command(BaseCommand):
    help = (
        "Copy the files of a folder into the bucket of STORAGE_URL. What is there already is left, so it may be broken "
        "off and begun again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="the folder that MEDIA_DIR named so far")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        bucket = storages["default"]
        if not isinstance(bucket, S3Store):
            raise CommandError("STORAGE_URL names no bucket: set it to one, like s3://bucket?endpoint=https://….")
        if not folder.is_dir():
            raise CommandError(f"{folder} is no folder: name the one that has clips/ and inputs/ in it.")
        files = moving.files_of(folder)
        copied = done = 0
        try:
            for moved in moving.move(folder, files, bucket):
                done += 1
                copied += moved.is_new
                self._show(done, len(files))
        except StoreUnavailable as problem:
            raise CommandError(
                f"The bucket did not take a file: {problem.cause}. 'manage.py doctor' says more; then run this again."
            ) from None
        self._show_end()
        self.stdout.write(f"{done} files are in the bucket as they are in the folder, {copied} of them new.")

    def _show(self, done: int, all_files: int) -> None:
        if self.stderr.isatty():
            full = _WIDTH * done // max(all_files, 1)
            bar = "█" * full + "░" * (_WIDTH - full)
            self.stderr.write(f"\r{bar} {done} of {all_files}", ending="")

    def _show_end(self) -> None:
        if self.stderr.isatty():
            self.stderr.write("")
