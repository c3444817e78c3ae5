"""What ``STORAGE_URL`` says: the folder or the bucket that clips, posters and inputs lie in.

The keys of a bucket are no part of it: boto3 finds them where it always does (``AWS_ACCESS_KEY_ID`` and
``AWS_SECRET_ACCESS_KEY``, a profile, the role of the machine or of the pod).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX: Final = re.compile(r"([A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)?")
_ADDRESSING: Final = ("path", "virtual")
AWS: Final = "amazonaws.com"
EXAMPLE: Final = "folder:var/media or s3://bucket/prefix?endpoint=https://storage.example&region=eu-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder of this machine, or one that several share."""

    path: Path

    def backend(self) -> dict[str, Any]:
        """What Django's ``STORAGES`` has for it."""
        return {"BACKEND": "generation.storage.folder.FolderStore", "OPTIONS": {"location": self.path}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A bucket of a service that speaks S3."""

    name: str
    prefix: str = ""
    endpoint: str = ""
    """Empty: Amazon's own."""
    region: str = "us-east-1"
    addressing: str = "path"
    media_url: str = ""
    """The origin of a CDN in front of the bucket."""

    @property
    def origin(self) -> str:
        """The scheme and host that browsers load clips from."""
        if self.media_url:
            return self.media_url
        scheme, host = ("https", f"s3.{self.region}.{AWS}")
        if self.endpoint:
            scheme, host = urlsplit(self.endpoint)[:2]
        return f"{scheme}://{host}" if self.addressing == "path" else f"{scheme}://{self.name}.{host}"

    def backend(self) -> dict[str, Any]:
        """What Django's ``STORAGES`` has for it."""
        options = {
            "bucket_name": self.name,
            "location": self.prefix,
            "endpoint_url": self.endpoint or f"https://s3.{self.region}.{AWS}",
            "region_name": self.region,
            "addressing_style": self.addressing,
            "signature_version": "s3v4",
            "media_url": self.media_url,
        }
        return {"BACKEND": "generation.storage.s3.S3Store", "OPTIONS": options}


def read(url: str, *, media_url: str = "", base: Path) -> Folder | Bucket:
    """Return what the setting says. A folder that begins with no slash lies in ``base``.

    Raises:
        ValueError: saying what is wrong with it, without its name.
    """
    if media_url and not _is_origin(media_url):
        raise ValueError("MEDIA_URL must be an origin such as https://cdn.example, without a path")
    parts = urlsplit(url)
    if parts.scheme == "folder" and not parts.query and (parts.path or parts.netloc):
        if media_url:
            raise ValueError("MEDIA_URL is of use with a bucket alone: a CDN has no way to a folder")
        return Folder(path=Path(base, url.removeprefix("folder:")).resolve())
    if parts.scheme != "s3":
        raise ValueError(f"must be like {EXAMPLE}")
    return _bucket(parts.netloc, parts.path.strip("/"), parts.query, media_url)


def _bucket(name: str, prefix: str, query: str, media_url: str) -> Bucket:
    if not _BUCKET.fullmatch(name):
        raise ValueError(f"names no bucket, and keys do not belong there: it must be like {EXAMPLE}")
    if not _PREFIX.fullmatch(prefix):
        raise ValueError("has an odd prefix: letters, digits, '.', '_', '-' and '/' are taken")
    said = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := said.keys() - {"endpoint", "region", "addressing"}:
        raise ValueError(f"knows no {', '.join(sorted(unknown))}: endpoint, region and addressing are taken")
    endpoint = said.get("endpoint", "")
    if endpoint and not _is_origin(endpoint.rstrip("/")):
        raise ValueError("has an endpoint that is none: it must be like https://storage.example, without a path")
    addressing = said.get("addressing", "path" if endpoint else "virtual")
    if addressing not in _ADDRESSING:
        raise ValueError("addressing must be path or virtual")
    return Bucket(
        name=name,
        prefix=prefix,
        endpoint=endpoint.rstrip("/"),
        region=said.get("region") or "us-east-1",
        addressing=addressing,
        media_url=media_url,
    )


def _is_origin(address: str) -> bool:
    parts = urlsplit(address)
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and "@" not in parts.netloc
        and not (parts.path or parts.query or parts.fragment)
    )
