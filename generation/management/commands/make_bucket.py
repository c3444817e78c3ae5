from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.files.storage import storages
from django.core.management.base import BaseCommand, CommandError, CommandParser

from generation.storage import bucket_rules
from generation.storage.s3 import S3Store, StoreUnavailable


class Command(BaseCommand):
    help = (
        "Make the bucket of STORAGE_URL, unless it is there, and set its rules of CORS and expiry, unless it has some."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--origin", action="append", default=[], help="of scripts that read clips, beside SITE_URL")
        parser.add_argument("--endpoint", help="in place of the one in STORAGE_URL, where that is not up yet")

    def handle(self, *args: Any, origin: list[str], endpoint: str | None, **options: Any) -> None:
        bucket = storages["default"]
        if not isinstance(bucket, S3Store):
            raise CommandError("STORAGE_URL names no bucket: set it to one, like s3://bucket?endpoint=https://….")
        if endpoint:
            bucket = S3Store(**{**settings.STORAGES["default"]["OPTIONS"], "endpoint_url": endpoint})
        site = urlsplit(settings.SITE_URL)
        try:
            for said in bucket_rules.prepare(bucket, [f"{site.scheme}://{site.netloc}", *origin]):
                self.stdout.write(said)
        except StoreUnavailable as problem:
            raise CommandError(f"The bucket cannot be used: {problem.cause}. 'manage.py doctor' says more.") from None
