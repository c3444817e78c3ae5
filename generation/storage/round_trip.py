"""Tries the store as the site, its GPU hosts and its visitors use it, with a small file that is gone afterwards."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from typing import Final

import requests
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from generation.storage.s3 import S3Store, StoreUnavailable
from loremotion.health import Fault

_PLACE: Final = "doctor"
_WAIT_SECONDS: Final = 20
_KIND: Final = "application/octet-stream"
_NEXT_STEPS: Final = {
    "NoSuchBucket": "Make the bucket, or mend its name in STORAGE_URL.",
    "InvalidAccessKeyId": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a key that the service knows.",
    "SignatureDoesNotMatch": "Set AWS_SECRET_ACCESS_KEY to that key's secret, and look at 'region' in STORAGE_URL.",
    "AccessDenied": "Let the key read, write, delete and list under the prefix of STORAGE_URL.",
    "RequestTimeTooSkewed": "Set this host's clock: the service takes no signature of another time.",
    "AuthorizationHeaderMalformed": "Set 'region' in STORAGE_URL to that of the bucket.",
    "NoCredentialsError": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role.",
    "EndpointConnectionError": "Look at 'endpoint' in STORAGE_URL, and whether this host may connect there.",
    "ConnectTimeoutError": "Look at 'endpoint' in STORAGE_URL, and whether a firewall lets this host through.",
    "SSLError": "The service's certificate has to be valid for the name in STORAGE_URL.",
}
_ELSE: Final = "Look into the service's log, and at STORAGE_URL."


def find_fault() -> Fault | None:
    """What keeps files from being stored and read, and the next step; None where they can be."""
    lying = storages["default"]
    key = f"{_PLACE}/{secrets.token_hex(8)}"
    if isinstance(lying, S3Store):
        return _fault_of_bucket(lying, key)
    try:
        lying.save(key, ContentFile(b"doctor"))
        with lying.open(key) as file:
            is_same = file.read() == b"doctor"
        for left in (key, _PLACE):
            lying.delete(left)
    except OSError as problem:
        return Fault(f"A file cannot be stored: {problem.strerror}.", "Let the site's user write where MEDIA_DIR lies.")
    return None if is_same else Fault("A file came back with other bytes.", "Check the disk where MEDIA_DIR lies.")


def _fault_of_bucket(bucket: S3Store, key: str) -> Fault | None:
    body = secrets.token_bytes(1024)
    digest = hashlib.sha256(body).hexdigest()
    try:
        bucket.put(key, body, content_type=_KIND, size_bytes=len(body), sha256=digest)
        if not bucket.holds(key, size_bytes=len(body), sha256=digest):
            return Fault("The bucket forgets what is noted beside a file.", "Use a service that keeps S3's metadata.")
        next(iter(bucket.next_found(_PLACE)), None)
        bucket.delete(key)
        return _fault_of_addresses(bucket, key, body, digest)
    except StoreUnavailable as problem:
        return _explained(problem)
    except requests.RequestException as problem:
        name = type(problem).__name__
        return Fault(f"An address in the bucket is out of reach: {name}.", _NEXT_STEPS.get(name, _ELSE))
    finally:
        with suppress(StoreUnavailable):  # that has been said
            bucket.delete(key)


def _fault_of_addresses(bucket: S3Store, key: str, body: bytes, digest: str) -> Fault | None:
    """What is wrong with what GPU hosts and browsers do by themselves."""
    put = bucket.sign_put(key, content_type=_KIND, size_bytes=len(body), sha256=digest)
    assert put is not None
    other = bytes(len(body))
    if requests.put(put.url, data=other, headers=put.headers, timeout=_WAIT_SECONDS).ok:
        return Fault("The bucket takes other bytes than were announced.", "Use a service that checks S3's SHA-256.")
    answer = requests.put(put.url, data=body, headers=put.headers, timeout=_WAIT_SECONDS)
    if not answer.ok:
        return Fault(f"A signed address takes no file: {answer.status_code}.", _ELSE)
    address = bucket.sign_get(key, content_type=_KIND, seconds=60)
    read = requests.get(str(address), headers={"Range": "bytes=8-15"}, timeout=_WAIT_SECONDS)
    if read.status_code != 206 or read.content != body[8:16]:
        return Fault(
            f"A part of a file does not come by a signed address: {read.status_code}.",
            "With MEDIA_URL: the CDN has to hand on path, query and Range, with the bucket's own name as Host.",
        )
    return None


def _explained(problem: StoreUnavailable) -> Fault:
    cause = problem.__cause__
    name = type(cause).__name__
    if isinstance(cause, ClientError):
        name = str(cause.response.get("Error", {}).get("Code", ""))
    elif isinstance(cause, BotoCoreError) and "CERTIFICATE" in str(cause).upper():
        name = "SSLError"
    return Fault(f"The bucket cannot be used: {problem.cause}.", _NEXT_STEPS.get(name, _ELSE))
