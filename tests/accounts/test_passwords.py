"""A storm of sign-ins takes a bounded share of memory."""

from __future__ import annotations

import threading

import pytest

from accounts import passwords
from loremotion.refusals import Unavailable


def test_it_is_argon2_as_before() -> None:
    encoded = passwords.Argon2().encode("correct horse", "salt-of-the-test")
    assert encoded.startswith("argon2$argon2id$")
    assert passwords.Argon2().verify("correct horse", encoded)
    assert not passwords.Argon2().verify("wrong horse", encoded)


def test_who_finds_no_place_is_asked_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_slots", threading.BoundedSemaphore(1))
    monkeypatch.setattr(passwords, "WAIT_SECONDS", 0.01)
    with passwords._Slot(), pytest.raises(Unavailable):
        passwords.Argon2().encode("correct horse", "salt-of-the-test")
    assert passwords.Argon2().encode("correct horse", "salt-of-the-test")
