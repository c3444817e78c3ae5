"""What must be there before the site can serve, in two processes side by side: Django and torch start once each.

Run as ``python -m loremotion.local.preparation FOLDER`` with the stack's environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import django

from loremotion.local.environment import ROOT
from loremotion.local.failure import CannotStart
from loremotion.local.secret_files import secret

STAFF_EMAIL = "admin@localhost"


class PreparationFailed(CannotStart):
    """The database could not be prepared; the message ends with the reason."""


def prepare(folder: Path, environment: Mapping[str, str]) -> None:
    """Migrate, seed, make the staff login, collect static files, lay out the preview model.

    Every step is cheap when nothing changed.

    Raises:
        PreparationFailed: with the last line of what the step said.
    """
    steps = {
        "the database": [sys.executable, "-m", __name__, str(folder)],
        "the preview model": [sys.executable, "-m", "gpu_worker.preview.checkpoint", environment["GPU_WORKER_MODELS"]],
    }
    logs = {what: folder / f"preparing-{what.split()[-1]}.log" for what in steps}
    running = {what: _start(command, environment, logs[what]) for what, command in steps.items()}
    try:
        for what, process in running.items():
            if process.wait() != 0:
                words = logs[what].read_text().strip().splitlines() or ["no output"]
                raise PreparationFailed(f"Preparing {what} failed: {words[-1]} (all of it: {logs[what]})")
    finally:
        for process in running.values():
            process.kill()
            process.wait()


def _start(command: list[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)


def staff_password(folder: Path) -> str:
    return secret(folder / "secrets", "staff_password", chance_bytes=18)


def main(folder: Path) -> None:
    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    make_signing_certificate(os.environ)
    call_command("migrate", interactive=False, verbosity=0)
    call_command("seed")
    _make_staff(folder)
    if not settings.DEBUG:
        collect_static(Path(settings.STATIC_ROOT), [Path(d) for d in settings.STATICFILES_DIRS])


def make_signing_certificate(environment: Mapping[str, str]) -> None:
    """Make what clips are signed with where ``environment`` says that it is, unless it is there. Empty: unsigned."""
    from generation.provenance.certificate import make_own

    names = "C2PA_CERTIFICATE", "C2PA_PRIVATE_KEY", "C2PA_ISSUERS"
    if all(environment[name] for name in names):
        certificate, key, issuers = (Path(environment[name]) for name in names)
        make_own(certificate, key, issuers, name="A LoreMotion site on one machine")


def _make_staff(folder: Path) -> None:
    from allauth.account.models import EmailAddress
    from django.contrib.auth import get_user_model
    from django.db import transaction

    users = get_user_model()._default_manager
    if users.filter(email=STAFF_EMAIL).exists():
        return
    with transaction.atomic():
        staff = users.create_superuser(STAFF_EMAIL, staff_password(folder))
        # Nobody could read the mail that proves this address.
        EmailAddress.objects.create(user=staff, email=STAFF_EMAIL, verified=True, primary=True)


def collect_static(target: Path, sources: list[Path]) -> None:
    """Collect unless nothing changed since. Stacks of one checkout share the folder, so one collects at a time."""
    from django.core.management import call_command

    target.parent.mkdir(parents=True, exist_ok=True)
    stamp = target.with_name(f"{target.name}.stamp")
    with stamp.open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.seek(0)
        fingerprint = _fingerprint(sources)
        if held.read() == fingerprint and target.exists():
            return
        call_command("collectstatic", interactive=False, verbosity=0)
        held.truncate(0)
        held.write(fingerprint)


def _fingerprint(sources: list[Path]) -> str:
    """Changes with any file below ``sources`` and with the version of Django, whose admin has files of its own."""
    digest = hashlib.sha256(django.get_version().encode())
    for path in sorted(path for source in sources for path in source.rglob("*") if path.is_file()):
        digest.update(f"{path}:{path.stat().st_mtime_ns}:{path.stat().st_size}".encode())
    return digest.hexdigest()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loremotion.settings")
    main(Path(sys.argv[1]))
