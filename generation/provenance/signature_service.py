"""Signs for a program that has no key: it sends what is to be signed through a socket, and is answered."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Final, Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from generation.provenance.certificate import Credential
from generation.provenance.signing_sandbox import LENGTH

_MOST_BYTES: Final = 1024**2
_HASHES: Final = {"ES256": hashes.SHA256(), "ES384": hashes.SHA384(), "ES512": hashes.SHA512()}


class SignatureService:
    """Answers the one request that a program may make, while the block lasts."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential
        self._ours, self._theirs = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.fault: Exception | None = None
        """What the key, or the operator's function, complained of."""

    @property
    def descriptor(self) -> int:
        """For the program."""
        return self._theirs.fileno()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._ours.shutdown(socket.SHUT_RDWR)  # wakes the thread, where nobody asked
        self._ours.close()
        self._theirs.close()

    def _serve(self) -> None:
        try:
            with self._ours.makefile("rb") as asked:
                (length,) = LENGTH.unpack(asked.read(LENGTH.size))
                signature = sign(asked.read(min(length, _MOST_BYTES)), self._credential)
            self._ours.sendall(LENGTH.pack(len(signature)) + signature)
        except Exception as fault:  # the operator's function may raise anything; whoever waits has to hear of it
            self.fault = fault
            with suppress(OSError):
                self._ours.shutdown(socket.SHUT_RDWR)


def sign(data: bytes, credential: Credential) -> bytes:
    """The signature of ``data`` by the credential's key, or by the function that stands for it."""
    if credential.sign is not None:
        return credential.sign(data)
    assert credential.key_pem is not None
    key = serialization.load_pem_private_key(credential.key_pem.encode(), password=None)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(_HASHES[credential.algorithm]))
    if isinstance(key, rsa.RSAPrivateKey):
        salted = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)
        return key.sign(data, salted, hashes.SHA256())
    assert isinstance(key, ed25519.Ed25519PrivateKey)  # certificate.current() takes no others
    return key.sign(data)
