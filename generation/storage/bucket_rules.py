"""The bucket of ``STORAGE_URL``, made and given the rules that docs/object-storage.md asks for.

Rules that are there already are left, whoever set them: S3 knows no way to add one, only to replace all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

from generation.storage.s3 import S3Store, answering, status_of

DEFAULT_REGION: Final = "us-east-1"
"""S3 makes a bucket there unless it is told another, and refuses to be told this one."""


def cors(origins: Sequence[str]) -> dict[str, Any]:
    """What lets scripts of these origins read clips and parts of them."""
    rule = {
        "AllowedOrigins": list(origins),
        "AllowedMethods": ["GET", "HEAD"],
        "AllowedHeaders": ["Range"],
        "ExposeHeaders": ["Accept-Ranges", "Content-Length", "Content-Range", "ETag"],
        "MaxAgeSeconds": 3600,
    }
    return {"CORSRules": [rule]}


def expiry(prefix: str) -> dict[str, Any]:
    """What ends uploads in parts that nobody finished, and versions of files that people deleted."""
    place = {"Status": "Enabled", "Filter": {"Prefix": f"{prefix}/" if prefix else ""}}
    return {
        "Rules": [
            {"ID": "unfinished", **place, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
            {"ID": "versions", **place, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        ]
    }


def prepare(bucket: S3Store, origins: Sequence[str]) -> Iterator[str]:
    """Make the bucket and set its rules, where it has none; says of each what became of it.

    Raises:
        StoreUnavailable: the service does not answer, or does not let our key make or read the bucket.
    """
    client, name = bucket.client, {"Bucket": bucket.bucket_name}
    with answering():
        yield f"The bucket {bucket.bucket_name} {'is made' if _make(bucket) else 'is there already'}."
    yield _set(
        "CORS",
        "NoSuchCORSConfiguration",
        lambda: client.get_bucket_cors(**name).get("CORSRules"),
        lambda: client.put_bucket_cors(**name, CORSConfiguration=cors(origins)),
    )
    rules = expiry(bucket.location.strip("/"))
    yield _set(
        "expiry",
        "NoSuchLifecycleConfiguration",
        lambda: client.get_bucket_lifecycle_configuration(**name).get("Rules"),
        lambda: client.put_bucket_lifecycle_configuration(**name, LifecycleConfiguration=rules),
    )


def _make(bucket: S3Store) -> bool:
    """Returns whether it was not there."""
    client, name = bucket.client, {"Bucket": bucket.bucket_name}
    try:
        client.head_bucket(**name)
        return False
    except ClientError as problem:
        if status_of(problem) != 404:
            raise
    region = bucket.region_name
    where = {} if region == DEFAULT_REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    client.create_bucket(**name, **where)
    return True


def _set(what: str, code_of_none: str, ask: Callable[[], object], put: Callable[[], object]) -> str:
    """Set rules where there are none. A service that knows no such rules does without."""
    with answering():
        try:
            if ask():
                return f"Its rules of {what} are left as they are."
        except ClientError as problem:
            if _code(problem) != code_of_none:
                return f"Rules of {what} cannot be set here: {status_of(problem)} {_code(problem)}."
        try:
            put()
        except ClientError as problem:
            return f"Rules of {what} cannot be set here: {status_of(problem)} {_code(problem)}."
    return f"Its rules of {what} are set."


def _code(problem: ClientError) -> str:
    return str(problem.response.get("Error", {}).get("Code", ""))
