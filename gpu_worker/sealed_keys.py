"""Keys that workspaces bring for providers, sealed so that remote workers alone can open them.

HPKE (RFC 9180, base mode: X25519, HKDF-SHA256, AES-256-GCM). The website holds the public half of a pair, so it can
seal and cannot open; the private half lies in a file of the remote workers' hosts. A seal names the key's id and the
account that it is for, so that none can be opened in another's place.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gpu_worker.contract import OwnKey

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_KEY_BYTES: Final = 32


class Unopenable(Exception):
    """A seal that no private key of this host opens, or not for this account."""


class PrivateKeysRefused(Exception):
    """The file of private keys cannot be used. The message says why, and repeats nothing that is in it."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a provider knows somebody by."""

    key: str = field(repr=False)
    secret: str = field(default="", repr=False)
    """The second half of Kling's keys."""


def pair_of(public: str) -> str:
    """Return by what a pair is called: eight hexadecimal digits of the digest of its public half.

    Raises:
        ValueError: that is none.
    """
    return hashlib.sha256(_decoded(public)).hexdigest()[:8]


def seal(credentials: Credentials, *, public: str, key_id: str, account: str) -> OwnKey:
    """Seal what a workspace brings for ``account``, under an id of its own."""
    content = json.dumps({"key": credentials.key, "secret": credentials.secret}).encode()
    recipient = X25519PublicKey.from_public_bytes(_decoded(public))
    sealed = _SUITE.encrypt(content, recipient, _info(key_id, account))
    return OwnKey(id=key_id, pair=pair_of(public), sealed=base64.b64encode(sealed).decode())


@dataclass(frozen=True, slots=True)
class PrivateKeys:
    """The private halves that this host holds, by the names of their pairs."""

    by_pair: dict[str, X25519PrivateKey] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, path: Path) -> PrivateKeys:
        """Read a file with a private key a line. What follows a ``#`` is for people.

        Raises:
            PrivateKeysRefused: it cannot be read, holds none, or something else.
        """
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except OSError as problem:
            raise PrivateKeysRefused(f"The file of private keys cannot be read: {problem.strerror}.") from None
        except UnicodeDecodeError:
            raise PrivateKeysRefused("The file of private keys is no text.") from None
        found = {}
        for number, line in enumerate(lines, 1):
            if text := line.partition("#")[0].strip():
                try:
                    private = X25519PrivateKey.from_private_bytes(_decoded(text))
                except ValueError:
                    raise PrivateKeysRefused(f"Line {number} of the file of private keys is none.") from None
                found[pair_of(public_of(private))] = private
        if not found:
            raise PrivateKeysRefused("The file of private keys holds none: make one by python -m gpu_worker keys FILE.")
        return cls(found)

    @property
    def pairs(self) -> tuple[str, ...]:
        return tuple(sorted(self.by_pair))

    def open(self, own_key: OwnKey, account: str) -> Credentials:
        """Return what was sealed for ``account``.

        Raises:
            Unopenable: under a pair that is not held here, for another account, or damaged.
        """
        try:
            sealed = base64.b64decode(own_key.sealed, validate=True)
            said = json.loads(_SUITE.decrypt(sealed, self.by_pair[own_key.pair], _info(own_key.id, account)))
            return Credentials(str(said["key"]), str(said["secret"]))
        except (InvalidTag, KeyError, TypeError, ValueError):
            raise Unopenable from None


def add_private_key(path: Path) -> str:
    """Make a pair: its private half becomes the first line of a file that its owner alone may read. Returns the public
    half.

    Raises:
        OSError: the file cannot be written.
    """
    private = X25519PrivateKey.generate()
    public = public_of(private)
    before = path.read_text(encoding="ascii") if path.exists() else ""
    line = f"{_encoded(private.private_bytes_raw())}  # pair {pair_of(public)}\n"
    beside = path.with_name(f"{path.name}.new")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(line + before)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    return public


def public_of(private: X25519PrivateKey) -> str:
    return _encoded(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def texts_of(credentials: Credentials) -> Iterator[str]:
    """Yield what nobody may read of credentials."""
    yield from filter(None, (credentials.key, credentials.secret))


def _info(key_id: str, account: str) -> bytes:
    return f"loremotion provider key {key_id} {account}".encode()


def _encoded(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    try:
        key = base64.urlsafe_b64decode(f"{text.rstrip('=')}=".encode("ascii"))
    except (binascii.Error, UnicodeEncodeError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise ValueError("This is no key of X25519: 43 letters and digits, - and _ among them.")
    return key
