"""A bucket as the store: browsers and GPU hosts read and put files there themselves, by addresses signed for each.

No key leaves the site. What a signed address lets somebody put is one key, of one size, kind and SHA-256, which the
service checks while it arrives: so what lies there with that digest noted beside it has that digest.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast
from urllib.parse import urlsplit

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.utils.translation import gettext as _
from storages.backends.s3 import S3File, S3Storage

from generation.storage.store import HOST_SECONDS, Found, SignedPut
from loremotion import database
from loremotion.refusals import Unavailable

logger = logging.getLogger(__name__)

FILES_A_ROUND: Final = 200
LEAST_PART_BYTES: Final = 5 * 1024**2
"""Of a file that is put together from parts, all but the last are at least as large: S3's own rule."""
COPIED_AT_ONCE_BYTES: Final = 256 * 1024**2
"""The service copies so much while one call waits for it."""
_CONNECT_SECONDS: Final = 3
_READ_SECONDS: Final = 20
_TRIES: Final = 2
"""All tries of a call are over before PostgreSQL ends a transaction that waits for it."""
_MEMORY_BYTES: Final = 1024**2
"""More of a file that is read lies on the disk, not in memory."""
_IN_PARTS: Final = TransferConfig(
    use_threads=False, multipart_threshold=COPIED_AT_ONCE_BYTES, multipart_chunksize=COPIED_AT_ONCE_BYTES
)
_DIGEST: Final = "sha256"
_TAIL: Final = "tail"
_lock = threading.Lock()


class StoreUnavailable(Unavailable):
    """The service did not answer, or refuses our key. ``manage.py doctor`` says which."""

    def __init__(self, cause: str) -> None:
        super().__init__(
            "store_unavailable", _("We can't reach our files right now."), next_step=_("Try again in a minute.")
        )
        self.cause = cause
        logger.error("The object store cannot be used: %s", cause)


class S3Store(S3Storage):  # type: ignore[misc]  # django-storages has no types
    """A bucket, or the part of one under a prefix."""

    takes_uploads = True

    def __init__(self, *, media_url: str = "", **options: Any) -> None:
        config = Config(
            signature_version=options.get("signature_version"),
            s3={"addressing_style": options.get("addressing_style")},
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": _TRIES},
            max_pool_connections=32,
            # Not every service knows the checksums that boto3 sends by itself.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        threads = TransferConfig(use_threads=False)  # it reads the caller's file, in parts where it is large
        super().__init__(
            client_config=config,
            transfer_config=threads,
            max_memory_size=_MEMORY_BYTES,
            file_overwrite=True,
            **options,
        )
        self._media_url = media_url
        self._shared: tuple[int, Any] | None = None
        self._found_until: dict[str, str] = {}

    @property
    def connection(self) -> Any:
        """One for all threads of a process: clients may be shared, and each costs megabytes and a tenth of a second."""
        with _lock:
            if self._shared is None or self._shared[0] != os.getpid():
                resource = self._create_session().resource(
                    "s3", region_name=self.region_name, endpoint_url=self.endpoint_url, config=self.client_config
                )
                self._shared = os.getpid(), resource
            return self._shared[1]

    @property
    def bucket(self) -> Any:
        return self.connection.Bucket(self.bucket_name)

    @property
    def client(self) -> Any:
        return self.connection.meta.client

    def place(self, key: str) -> dict[str, str]:
        """The bucket and the name in it, as boto3's calls take them."""
        return {"Bucket": self.bucket_name, "Key": f"{self.location}/{key}" if self.location else key}

    def exists(self, name: str) -> bool:
        with answering():
            return bool(super().exists(name))

    def delete(self, name: str) -> None:
        with answering():
            super().delete(name)

    def size(self, name: str) -> int:
        with answering():
            return int(super().size(name))

    def _open(self, name: str, mode: str = "rb") -> Any:
        with answering():
            try:
                return _File(self.place(name)["Key"], mode, self)
            except ClientError as problem:
                if status_of(problem) == 404:
                    raise FileNotFoundError(name) from None
                raise

    def _save(self, name: str, content: Any) -> str:
        with answering():
            return str(super()._save(name, content))

    def shared_address(self, key: str) -> str | None:
        return None

    def sign_get(
        self, key: str, *, method: str = "GET", content_type: str, download_name: str = "", seconds: int
    ) -> str | None:
        asked = {**self.place(key), "ResponseContentType": content_type}
        asked["ResponseCacheControl"] = f"private, max-age={seconds}"
        if download_name:
            asked["ResponseContentDisposition"] = f'attachment; filename="{download_name}"'
        call = "head_object" if method == "HEAD" else "get_object"
        address = self.client.generate_presigned_url(call, Params=asked, ExpiresIn=seconds)
        if not self._media_url:
            return str(address)
        parts = urlsplit(address)  # the CDN asks the bucket with path and query as they are
        return f"{self._media_url}{parts.path}?{parts.query}"

    def sign_put(self, key: str, *, content_type: str, size_bytes: int, sha256: str) -> SignedPut | None:
        checksum = in_base64(sha256)
        asked = {
            **self.place(key),
            "ContentType": content_type,
            "ContentLength": size_bytes,
            "ChecksumSHA256": checksum,
            "Metadata": {_DIGEST: sha256},
        }
        return SignedPut(
            url=str(self.client.generate_presigned_url("put_object", Params=asked, ExpiresIn=HOST_SECONDS)),
            headers={
                "Content-Type": content_type,
                "Content-Length": str(size_bytes),
                "x-amz-checksum-sha256": checksum,
                f"x-amz-meta-{_DIGEST}": sha256,
            },
        )

    def put(self, key: str, body: Any, *, content_type: str, size_bytes: int, sha256: str) -> None:
        """Put a file that the service takes only if it has this digest."""
        with answering():
            self.client.put_object(
                **self.place(key),
                Body=body,
                ContentType=content_type,
                ContentLength=size_bytes,
                ChecksumSHA256=in_base64(sha256),
                Metadata={_DIGEST: sha256},
            )

    def rename(self, arriving: str, key: str, *, sha256: str | None = None) -> None:
        said = self._said_of(arriving)
        if said is None or (sha256 is not None and said["Metadata"].get(_DIGEST) != sha256):
            raise FileNotFoundError(arriving)
        same = {
            "CopySourceIfMatch": said["ETag"],
            "Metadata": said["Metadata"],
            "MetadataDirective": "REPLACE",  # by what a copy in parts has to be told anyway
            "ContentType": said["ContentType"],
        }
        with answering():
            self.client.copy(self.place(arriving), **self.place(key), ExtraArgs=same, Config=_IN_PARTS)
            self.client.delete_object(**self.place(arriving))

    def holds(self, key: str, *, size_bytes: int, sha256: str) -> bool:
        said = self._said_of(key)
        if said is None or said["ContentLength"] != size_bytes:
            return False
        if noted := said["Metadata"].get(_DIGEST):
            return bool(noted == sha256)
        digest = hashlib.sha256()  # put there by other means: nobody has checked it yet
        with answering():
            for chunk in self.client.get_object(**self.place(key))["Body"].iter_chunks(_MEMORY_BYTES):
                digest.update(chunk)
        return digest.hexdigest() == sha256

    def _said_of(self, key: str) -> dict[str, Any] | None:
        """What the service says of a file; None where there is none."""
        with answering():
            try:
                return cast(dict[str, Any], self.client.head_object(**self.place(key)))
            except ClientError as problem:
                if status_of(problem) == 404:
                    return None
                raise

    def head(self, key: str, size_bytes: int) -> bytes:
        with answering():
            try:
                part = self.client.get_object(**self.place(key), Range=f"bytes=0-{size_bytes - 1}")
                return cast(bytes, part["Body"].read())
            except ClientError as problem:
                if status_of(problem) == 404:
                    raise FileNotFoundError(key) from None
                if status_of(problem) == 416:
                    return b""
                raise

    def append(self, key: str, tail: bytes, target: str, *, sha256: str) -> None:
        """The service itself puts a large file and its tail together, a small one goes through here. What is there
        of the same file and tail is left."""
        noted = {_TAIL: hashlib.sha256(sha256.encode() + tail).hexdigest()}
        if (there := self._said_of(target)) is not None and there["Metadata"].get(_TAIL) == noted[_TAIL]:
            return
        if (size_bytes := self.size(key)) >= LEAST_PART_BYTES:
            self._put_together(key, size_bytes, tail, target, noted)
            return
        with answering():
            whole = self.client.get_object(**self.place(key))["Body"].read() + tail
            self.client.put_object(**self.place(target), Body=whole, Metadata=noted)

    def _put_together(self, key: str, size_bytes: int, tail: bytes, target: str, noted: dict[str, str]) -> None:
        with answering():
            upload = self.client.create_multipart_upload(**self.place(target), Metadata=noted)
            its = {**self.place(target), "UploadId": upload["UploadId"]}
            try:
                etags = []
                for number, span in enumerate(_spans(size_bytes), 1):
                    part = {**its, "PartNumber": number, "CopySource": self.place(key), "CopySourceRange": span}
                    etags.append(self.client.upload_part_copy(**part)["CopyPartResult"]["ETag"])
                put = self.client.upload_part(**its, PartNumber=len(etags) + 1, Body=tail)
                parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate([*etags, put["ETag"]], 1)]
                self.client.complete_multipart_upload(**its, MultipartUpload={"Parts": parts})
            except BaseException:
                self.client.abort_multipart_upload(**its)
                raise

    def next_found(self, place: str) -> Iterator[Found]:
        prefix = self.place(f"{place}/")["Key"]
        asked = {"Bucket": self.bucket_name, "Prefix": prefix, "MaxKeys": FILES_A_ROUND}
        if begun := self._found_until.pop(place, ""):
            asked["StartAfter"] = begun
        with answering():
            page = self.client.list_objects_v2(**asked)
        found = page.get("Contents", [])
        if page.get("IsTruncated") and found:
            self._found_until[place] = found[-1]["Key"]
        for each in found:
            yield Found(f"{place}/{each['Key'].removeprefix(prefix)}", each["LastModified"].timestamp())


class _File(S3File):  # type: ignore[misc]  # django-storages has no types
    """A file of the bucket. It is fetched when it is first read, whole or not at all."""

    _file: Any

    def _get_file(self) -> Any:
        if self._file is not None:
            return self._file
        with answering():
            try:
                return super()._get_file()
            except BaseException:
                self._file = None
                raise

    file = property(_get_file, S3File._set_file)


def _spans(size_bytes: int) -> Iterator[str]:
    """Ranges of a file that are about equal, and none longer than one copy takes."""
    length = -(-size_bytes // -(-size_bytes // COPIED_AT_ONCE_BYTES))
    for first in range(0, size_bytes, length):
        yield f"bytes={first}-{min(first + length, size_bytes) - 1}"


def in_base64(sha256: str) -> str:
    """The digest as S3's headers have it."""
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def status_of(problem: ClientError) -> int:
    return int(problem.response["ResponseMetadata"]["HTTPStatusCode"])


@contextmanager
def answering() -> Iterator[None]:
    """Say in one way that the service could not be used, whatever boto3 says. Keeps no connection of the database
    while it is asked.

    Raises:
        StoreUnavailable: it did not answer, is busy, or refuses our key.
    """
    database.give_back()
    try:
        yield
    except BotoCoreError as problem:
        raise StoreUnavailable(f"it does not answer: {type(problem).__name__}") from problem
    except ClientError as problem:
        code = problem.response.get("Error", {}).get("Code", "")
        raise StoreUnavailable(f"it answered {status_of(problem)} {code}") from problem
