"""Makes a certificate for Content Credentials that this site issues to itself."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from generation.provenance.certificate import make_own


class Command(BaseCommand):
    help = (
        "Make a certificate and its private key, with which clips are signed as made by a model. Readers elsewhere "
        "find out changes, but show the issuer as unknown; for a name that they know, have one issued."
    )
    requires_system_checks = ()  # it is run because one of them complained

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="where certificate.pem, private_key.pem and issuers.pem go")
        parser.add_argument("--name", default="LoreMotion", help="whose clips they are, as readers show it")

    def handle(self, *, folder: Path, name: str, **_: Any) -> None:
        certificate, key, issuers = (folder / f"{each}.pem" for each in ("certificate", "private_key", "issuers"))
        if certificate.exists() or key.exists():
            raise CommandError(f"There is one in {folder} already. Move it away, or choose another folder.")
        try:
            make_own(certificate, key, issuers, name=name)
        except OSError as problem:
            raise CommandError(f"{problem.filename}: {problem.strerror}") from None
        for setting, path in (("CERTIFICATE", certificate), ("PRIVATE_KEY", key), ("ISSUERS", issuers)):
            self.stdout.write(f"C2PA_{setting}={path.resolve()}")
