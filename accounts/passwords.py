"""Hashing passwords, which takes memory and time on purpose: a few at once, and without a connection meanwhile.

The secrets of apps, which anybody registers, are no passwords: chance makes them, and a quick hash is as good."""

from __future__ import annotations

from threading import BoundedSemaphore
from typing import Any, Final

from django.contrib.auth.hashers import Argon2PasswordHasher, PBKDF2PasswordHasher
from django.utils.translation import gettext as _

from loremotion import database
from loremotion.refusals import Unavailable

AT_ONCE: Final = 4
"""Each takes 100 MiB."""
WAIT_SECONDS: Final = 20.0

_slots = BoundedSemaphore(AT_ONCE)


class Argon2(Argon2PasswordHasher):
    """Argon2id, ``AT_ONCE`` in a process. Who would wait longer than ``WAIT_SECONDS`` is asked to come again."""

    def encode(self, password: str, salt: str) -> str:
        with _Slot():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with _Slot():
            return super().verify(password, encoded)


class RandomSecret(PBKDF2PasswordHasher):
    """For what has so much chance in it that nobody finds it by trying, however quickly one try is made."""

    algorithm = "random_secret"
    iterations = 1


class _Slot:
    """One of the ``AT_ONCE`` slots in which a password is hashed."""

    def __enter__(self) -> None:
        database.give_back()
        if not _slots.acquire(timeout=WAIT_SECONDS):
            raise Unavailable(
                "busy",
                _("Too many people are signing in right now."),
                next_step=_("Nothing is lost. Try again in a minute."),
            )

    def __exit__(self, *_: Any) -> None:
        _slots.release()
