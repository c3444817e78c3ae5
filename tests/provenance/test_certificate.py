"""Whoever runs a site learns that its clips cannot be signed when it starts, and two months before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.core.management import CommandError, call_command
from pytest_django import Settings

from generation.provenance import certificate
from generation.provenance.certificate import OWN_LASTS, Unusable
from generation.provenance.checks import check_certificate


def faults() -> list[str | None]:
    return [each.id for each in check_certificate()]


def test_a_site_without_a_certificate_hears_of_it(settings: Settings) -> None:
    settings.C2PA_CERTIFICATE = ""
    assert faults() == ["provenance.I001"]


def test_a_certificate_of_its_own_is_fine_until_two_months_before_it_expires(signing_site: Settings) -> None:
    assert faults() == []
    with time_machine.travel(datetime.now(UTC) + OWN_LASTS - timedelta(days=59), tick=False):
        assert faults() == ["provenance.W001"]
    with time_machine.travel(datetime.now(UTC) + OWN_LASTS + timedelta(days=1), tick=False):
        assert faults() == ["provenance.E001"]


def test_a_key_of_another_pair_is_refused(signing_site: Settings, tmp_path: Path) -> None:
    certificate.make_own(tmp_path / "c.pem", tmp_path / "k.pem", tmp_path / "i.pem", name="Other")
    signing_site.C2PA_PRIVATE_KEY = str(tmp_path / "k.pem")
    with pytest.raises(Unusable, match="not the one of the certificate"):
        certificate.current()


@pytest.mark.parametrize("name", ["C2PA_CERTIFICATE", "C2PA_PRIVATE_KEY"])
@pytest.mark.parametrize("holds", [None, "", "nonsense"])
def test_a_file_that_is_none_is_named(signing_site: Settings, tmp_path: Path, name: str, holds: str | None) -> None:
    path = tmp_path / "file.pem"
    if holds is not None:
        path.write_text(holds)
    setattr(signing_site, name, str(path))
    with pytest.raises(Unusable, match=str(path)):
        certificate.current()


def test_new_files_count_without_a_restart(signing_site: Settings, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("c.pem", "k.pem", "i.pem")]
    certificate.make_own(*paths, name="Before")
    signing_site.C2PA_CERTIFICATE, signing_site.C2PA_PRIVATE_KEY = str(paths[0]), str(paths[1])
    assert certificate.current().issued_to == "Before"
    for path in paths:
        path.unlink()
    certificate.make_own(*paths, name="After")
    assert certificate.current().issued_to == "After"


def issued(key: CertificateIssuerPrivateKeyTypes, folder: Path, *, purpose: x509.ObjectIdentifier) -> None:
    """Write a certificate for ``key`` that itself signs, and the key."""
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example")])
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"),
        False,
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=365))
        .add_extension(
            x509.KeyUsage(digital_signature=True, encipher_only=False, decipher_only=False, **usage), critical=True
        )
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "c.pem").write_bytes(made.public_bytes(pem))
    (folder / "k.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519"),
        (rsa.generate_private_key(65537, 2048), "PS256"),
    ],
    ids=["P-384", "Ed25519", "RSA"],
)
def test_the_key_decides_the_algorithm(
    settings: Settings, tmp_path: Path, key: CertificateIssuerPrivateKeyTypes, algorithm: str
) -> None:
    issued(key, tmp_path, purpose=ExtendedKeyUsageOID.EMAIL_PROTECTION)
    settings.C2PA_CERTIFICATE, settings.C2PA_PRIVATE_KEY = str(tmp_path / "c.pem"), str(tmp_path / "k.pem")
    assert certificate.current().algorithm == algorithm


def test_a_certificate_of_a_web_server_is_refused(settings: Settings, tmp_path: Path) -> None:
    issued(ec.generate_private_key(ec.SECP256R1()), tmp_path, purpose=ExtendedKeyUsageOID.SERVER_AUTH)
    settings.C2PA_CERTIFICATE, settings.C2PA_PRIVATE_KEY = str(tmp_path / "c.pem"), str(tmp_path / "k.pem")
    with pytest.raises(Unusable, match="emailProtection"):
        certificate.current()


def test_the_command_makes_a_pair_once(tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("signing_certificate", str(tmp_path), name="Clips of Example")
    said = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    for name, value in said.items():
        setattr(settings, name, value)
    assert certificate.current().issued_to == "Clips of Example"
    assert Path(said["C2PA_PRIVATE_KEY"]).stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="already"):
        call_command("signing_certificate", str(tmp_path))
