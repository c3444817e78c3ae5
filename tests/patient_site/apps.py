"""What makes a site patient: no limit of time, and a silent server in front of what takes memory or a processor."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any, Final

from django.apps import AppConfig
from django.contrib.auth.hashers import Argon2PasswordHasher

from gpu_worker import sandbox
from tests.patient_site.servers import HASHES, NAMES, address_of
from tests.patient_site.silent_server import wait_at

FOR_EVER_SECONDS: Final = 3600.0
LIMITS: Final = (
    "accounts.passwords.WAIT_SECONDS",
    "accounts.proofs.turnstile.TIMEOUT_SECONDS",
    "billing.shop.gateway.ANSWER_SECONDS",
    "generation.storage.s3._READ_SECONDS",
    "generation.submission.pictures.WAIT_SECONDS",
    "loremotion.bodies.SILENT_SECONDS",
    "loremotion.outbound.SILENCE_SECONDS",
    "loremotion.outbound.WHOLE_SECONDS",
    "loremotion.page_deadline.PAGE_SECONDS",
    "loremotion.preferences.MOST_SECONDS",
)
WAITING: Final[tuple[tuple[Any, str, Callable[..., str]], ...]] = (
    (Argon2PasswordHasher, "encode", lambda *_: HASHES),
    (Argon2PasswordHasher, "verify", lambda *_: HASHES),
    (sandbox, "reading", lambda program, *_: program.stem),
)
"""Each of these begins when a server hangs up, which the arguments name."""


class PatientSite(AppConfig):
    name = "tests.patient_site"

    def ready(self) -> None:
        for limit in LIMITS:
            module, _, name = limit.rpartition(".")
            getattr(import_module(module), name)  # else it is called something else by now
            setattr(import_module(module), name, FOR_EVER_SECONDS)
        for owner, name, awaited in WAITING:
            setattr(owner, name, _after_waiting(getattr(owner, name), awaited))


def _after_waiting(work: Callable[..., Any], awaited: Callable[..., str]) -> Callable[..., Any]:
    @wraps(work)
    def patient(*args: Any, **named: Any) -> Any:
        if (name := awaited(*args)) in NAMES:
            wait_at(address_of(name))
        return work(*args, **named)

    return patient
