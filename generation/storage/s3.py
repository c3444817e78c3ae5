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
from storages.backends.s3 import S3Storage

from generation.storage.store import HOST_SECONDS, Found, SignedPut
from loremotion.refusals import Unavailable

logger = logging.getLogger(__name__)

FILES_A_ROUND: Final = 200
LEAST_PART_BYTES: Final = 5 * 1024**2
"""Of a file that is put together from parts, all but the last are at least as large: S3's own rule."""
_MEMORY_BYTES: Final = 1024**2
"""More of a file that is read lies on the disk, not in memory."""
_DIGEST: Final = "sha256"
_TAIL: Final = "tail"
_lock = threading.Lock()


class StoreUnavailable(Unavailable):
    """The service did not answer, or refuses our key. ``manage.py doctor`` says which."""

    def __init__(self, cause: str) -> None:
        super().__init__("store_unavailable", "We can't reach our files right now.", next_step="Try again in a minute.")
        self.cause = cause
        logger.error("The object store cannot be used: %s", cause)


class S3Store(S3Storage):  # type: ignore[misc]  # django-storages has no types
    """A bucket, or the part of one under a prefix."""

    takes_uploads = True

    def __init__(self, *, media_url: str = "", **options: Any) -> None:
        config = Config(
            signature_version=options.get("signature_version"),
            s3={"addressing_style": options.get("addressing_style")},
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "max_attempts": 3},
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
            return super()._open(name, mode)

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

    def rename(self, arriving: str, key: str) -> None:
        with answering():
            self.client.copy_object(**self.place(key), CopySource=self.place(arriving))
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

    def append(self, key: str, tail: bytes, target: str) -> None:
        """The service itself puts a large file and its tail together, a small one goes through here. What is there
        with the same tail is left."""
        noted = {_TAIL: hashlib.sha256(tail).hexdigest()}
        if (there := self._said_of(target)) is not None and there["Metadata"].get(_TAIL) == noted[_TAIL]:
            return
        if self.size(key) >= LEAST_PART_BYTES:
            self._put_together(key, tail, target, noted)
            return
        with answering():
            whole = self.client.get_object(**self.place(key))["Body"].read() + tail
            self.client.put_object(**self.place(target), Body=whole, Metadata=noted)

    def _put_together(self, key: str, tail: bytes, target: str, noted: dict[str, str]) -> None:
        with answering():
            upload = self.client.create_multipart_upload(**self.place(target), Metadata=noted)
            its = {**self.place(target), "UploadId": upload["UploadId"]}
            try:
                copied = self.client.upload_part_copy(**its, PartNumber=1, CopySource=self.place(key))
                put = self.client.upload_part(**its, PartNumber=2, Body=tail)
                etags = [copied["CopyPartResult"]["ETag"], put["ETag"]]
                parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
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


def in_base64(sha256: str) -> str:
    """The digest as S3's headers have it."""
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def status_of(problem: ClientError) -> int:
    return int(problem.response["ResponseMetadata"]["HTTPStatusCode"])


@contextmanager
def answering() -> Iterator[None]:
    """Say in one way that the service could not be used, whatever boto3 says.

    Raises:
        StoreUnavailable: it did not answer, is busy, or refuses our key.
    """
    try:
        yield
    except BotoCoreError as problem:
        raise StoreUnavailable(f"it does not answer: {type(problem).__name__}") from problem
    except ClientError as problem:
        code = problem.response.get("Error", {}).get("Code", "")
        raise StoreUnavailable(f"it answered {status_of(problem)} {code}") from problem
