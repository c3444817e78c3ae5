"""Keys that workspaces bring are sealed with what the website holds, and opened with what it does not."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from gpu_worker import keys
from gpu_worker.sealed_keys import Credentials, PrivateKeys, PrivateKeysRefused, Unopenable, add_private_key, seal

MINE = Credentials("sk-secret-of-mine", "and its other half")


def test_what_is_sealed_with_the_public_half_is_opened_with_the_private_one(tmp_path: Path) -> None:
    public = add_private_key(tmp_path / "private")
    own = seal(MINE, public=public, key_id="key-1", account="google")
    held = PrivateKeys.read(tmp_path / "private")
    assert held.open(own, "google") == MINE
    assert held.pairs == (own.pair,)
    assert "secret" not in f"{own} {own.to_wire()} {held} {MINE}"
    assert seal(MINE, public=public, key_id="key-1", account="google").sealed != own.sealed


def test_a_seal_is_good_for_its_own_key_account_and_pair_alone(tmp_path: Path) -> None:
    own = seal(MINE, public=add_private_key(tmp_path / "private"), key_id="key-1", account="google")
    held = PrivateKeys.read(tmp_path / "private")
    add_private_key(tmp_path / "another")
    for forged in (
        replace(own, id="key-2"),
        replace(own, pair="00000000"),
        replace(own, sealed=own.sealed[:-4] + "AAAA"),
        replace(own, sealed=""),
        replace(own, sealed="no base64"),
    ):
        with pytest.raises(Unopenable):
            held.open(forged, "google")
    with pytest.raises(Unopenable):
        held.open(own, "studio")
    with pytest.raises(Unopenable):
        PrivateKeys.read(tmp_path / "another").open(own, "google")


def test_a_new_pair_leaves_what_the_former_one_sealed_openable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "private"
    publics = []
    for _ in range(2):
        assert keys.main([str(file)]) == 0
        publics.append(capsys.readouterr().out.strip().removeprefix("REMOTE_KEYS_PUBLIC="))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    held = PrivateKeys.read(file)
    assert len(held.pairs) == 2
    for public in publics:
        assert public not in file.read_text()
        assert held.open(seal(MINE, public=public, key_id="k", account="kling"), "kling") == MINE


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "holds none"), (b"# only words", "holds none"), (b"dG9vIHNob3J0", "Line 1"), (b"\xff", "no text")],
)
def test_a_file_that_holds_something_else_is_refused_and_not_repeated(
    tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "private").write_bytes(content)
    with pytest.raises(PrivateKeysRefused, match=words) as refusal:
        PrivateKeys.read(tmp_path / "private")
    assert "dG9v" not in str(refusal.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PrivateKeysRefused, match="cannot be read"):
        PrivateKeys.read(tmp_path / "private")
    assert keys.main([str(tmp_path / "no folder" / "private")]) != 0
