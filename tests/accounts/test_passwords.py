"""A storm of sign-ins takes a bounded share of memory."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import yaml
from django.contrib.auth.hashers import Argon2PasswordHasher

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


def test_all_that_are_hashed_at_once_take_half_of_a_web_hosts_memory_at_most() -> None:
    values = yaml.safe_load((Path(__file__).parents[2] / "deploy/helm/values.yaml").read_text())
    assert values["web"]["resources"]["limits"]["memory"] == "1Gi"
    assert passwords.AT_ONCE * passwords.Argon2.memory_cost <= 2**20 / 2  # KiB, as Argon2 counts


def test_no_more_are_hashed_at_once_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    are_all_in, may_go = threading.Barrier(passwords.AT_ONCE + 1), threading.Event()

    def hashes(self: object, password: str, salt: str) -> str:
        are_all_in.wait(60)
        may_go.wait(60)
        return ""

    monkeypatch.setattr(Argon2PasswordHasher, "encode", hashes)
    threads = [threading.Thread(target=passwords.Argon2().encode, args=("a", "salt")) for _ in range(passwords.AT_ONCE)]
    for thread in threads:
        thread.start()
    are_all_in.wait(60)
    monkeypatch.setattr(passwords, "WAIT_SECONDS", 0.0)
    try:
        with pytest.raises(Unavailable):
            passwords.Argon2().encode("one more", "salt")
    finally:
        may_go.set()
        for thread in threads:
            thread.join()
