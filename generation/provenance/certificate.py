"""The certificate that clips are signed with, and what signs: a private key in a file, or a function of the operator's
that asks a key service.

C2PA asks for a chain whose leaf may sign and is meant for that (digitalSignature, and emailProtection among the
extended key usages); the root is left out. Without a time stamp a signature is worth as much as its certificate lasts,
so whoever runs a site is told two months before that ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.conf import settings
from django.utils.module_loading import import_string

WARNED_BEFORE: Final = timedelta(days=60)
OWN_LASTS: Final = timedelta(days=3650)
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}

SignFunction = Callable[[bytes], bytes]
"""Takes what is to be signed and returns the signature; for elliptic curves as r‖s or DER."""


class Unusable(Exception):
    """Nothing can be signed with the certificate. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate, and what signs for it."""

    chain_pem: str
    """Leaf first."""
    algorithm: str
    """C2PA's name: ES256, ES384, ES512, Ed25519 or PS256."""
    issued_to: str
    expires_at: datetime
    key_pem: str | None
    """None: ``sign`` does it."""
    sign: SignFunction | None


def is_configured() -> bool:
    """Whether clips are signed here."""
    return bool(settings.C2PA_CERTIFICATE)


def current() -> Credential:
    """The certificate and key that the settings name. New files count from the next signature on.

    Raises:
        Unusable: they are not there, do not belong together, or C2PA does not take them.
    """
    chain, key = Path(settings.C2PA_CERTIFICATE), settings.C2PA_PRIVATE_KEY and Path(settings.C2PA_PRIVATE_KEY)
    credential = _read(chain, _changed_at(chain), key or None, _changed_at(key) if key else 0, settings.C2PA_SIGNER)
    if credential.expires_at <= datetime.now(UTC):
        raise Unusable(f"The certificate {chain} expired on {credential.expires_at:%-d %B %Y}. Put a new one there.")
    return credential


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as problem:
        raise Unusable(f"{path} cannot be read ({problem.strerror}). Set C2PA_CERTIFICATE and its key anew.") from None


@lru_cache(maxsize=4)
def _read(chain: Path, chain_changed: int, key: Path | None, key_changed: int, signer: str) -> Credential:
    try:
        leaf, *_ = x509.load_pem_x509_certificates(chain.read_bytes())
        public_key = leaf.public_key()
    except (OSError, ValueError, UnsupportedAlgorithm):
        raise Unusable(f"{chain} holds no certificate in PEM. Put the chain there, leaf first, without root.") from None
    _refuse_wrong_usage(leaf, chain)
    if signer:
        key_pem, sign = None, import_string(signer)
    elif key is None:
        raise Unusable("C2PA_PRIVATE_KEY and C2PA_SIGNER are both empty. Name the key's file, or what signs for it.")
    else:
        key_pem, sign = _key_of(public_key, key), None
    names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Credential(
        chain_pem=chain.read_text(),
        algorithm=_algorithm_of(public_key, chain),
        issued_to=str(names[0].value) if names else leaf.subject.rfc4514_string(),
        expires_at=leaf.not_valid_after_utc,
        key_pem=key_pem,
        sign=sign,
    )


def _refuse_wrong_usage(leaf: x509.Certificate, chain: Path) -> None:
    """A signature would be refused where it is made, or by whoever reads it."""
    try:
        may_sign = leaf.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        may_sign, purposes = False, x509.ExtendedKeyUsage([])
    if not may_sign or ExtendedKeyUsageOID.EMAIL_PROTECTION not in purposes:
        raise Unusable(
            f"The first certificate in {chain} is not meant for signing: C2PA asks for the key usage digitalSignature "
            "and the extended key usage emailProtection. Have one issued with both."
        )


def _algorithm_of(key: PublicKeyTypes, chain: Path) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "Ed25519"
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
        return "PS256"
    raise Unusable(f"C2PA signs with P-256, P-384, P-521, Ed25519 and RSA from 2,048 bits; {chain} has another key.")


def _key_of(public_key: PublicKeyTypes, path: Path) -> str:
    try:
        private_key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, TypeError, ValueError, UnsupportedAlgorithm):
        raise Unusable(f"{path} holds no private key in PEM without a password.") from None
    if private_key.public_key() != public_key:
        raise Unusable(f"The key in {path} is not the one of the certificate. Put both of one pair there.")
    pkcs8 = serialization.PrivateFormat.PKCS8
    return private_key.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption()).decode()


def make_own(certificate: Path, key: Path, issuers: Path, *, name: str) -> None:
    """Write a certificate that this site issued to itself, its key, and its issuer, where there is none yet.

    What is signed with it says what it says, and whoever changes it is found out; but readers elsewhere trust only
    issuers that they know.
    """
    if certificate.exists() and key.exists():
        return
    root_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _named(f"{name[:40]} (own issuer)")
    root = (
        _issued(issuer, root_key.public_key(), by=issuer)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(is_issuer=True), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        _issued(_named(name), leaf_key.public_key(), by=issuer)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(is_issuer=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())  # the issuer's key is thrown away: it signs nothing else
    )
    pem = serialization.Encoding.PEM
    secret = leaf_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key.touch(mode=0o600)
    key.write_bytes(secret)
    issuers.write_bytes(root.public_bytes(pem))
    certificate.write_bytes(leaf.public_bytes(pem))


def _issued(to: x509.Name, key: ec.EllipticCurvePublicKey, *, by: x509.Name) -> x509.CertificateBuilder:
    made_at = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(to)
        .issuer_name(by)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(made_at - timedelta(hours=1))
        .not_valid_after(made_at + OWN_LASTS)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _named(name: str) -> x509.Name:
    attributes = [(NameOID.ORGANIZATION_NAME, "LoreMotion"), (NameOID.COMMON_NAME, name[:64])]
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])


def _usage(*, is_issuer: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_issuer,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_issuer,
        crl_sign=is_issuer,
        encipher_only=False,
        decipher_only=False,
    )
