"""The file of accounts: what it takes, and what it refuses in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpu_worker.remote.accounts import AccountsRefused, read


def file_with(folder: Path, text: str) -> Path:
    path = folder / "accounts.toml"
    path.write_text(text)
    return path


def test_keys_come_from_variables_and_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of kling\n")
    text = f"""
        [google]
        provider = "veo"
        key_variable = "GOOGLE"
        [clouds]
        provider = "kling"
        key = "access"
        secret_file = "{tmp_path / "secret"}"
        [studio]
        provider = "openai"
        url = "http://10.0.0.5:8091/v1/"
        fields = ["seed"]
    """
    found = read(file_with(tmp_path, text), {"GOOGLE": "of google"})
    assert (found["google"].key, found["google"].title) == ("of google", "Google")
    assert found["clouds"].secret == "of kling"
    assert (found["studio"].url, found["studio"].title) == ("http://10.0.0.5:8091/v1", "10.0.0.5")
    assert "of google" not in repr(found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no account"),
        ("[x", "no TOML"),
        ("[x]", "needs a provider"),
        ('[x]\nprovider = "openai"', "needs an address"),
        ('[x]\nprovider = "openai"\nurl = "ftp://a"', "needs an address"),
        ('[x]\nprovider = "veo"', "needs a key"),
        ('[x]\nprovider = "veo"\nkey_variable = "NONE"', "NONE is not set"),
        ('[x]\nprovider = "veo"\nkey_file = "/nowhere"', "cannot be read"),
        ('[x]\nprovider = "kling"\nkey = "a"', "needs a secret"),
        ('[x]\nprovider = "veo"\nkey = "a"\ncolour = "red"', "has no colour"),
        ('[x]\nprovider = "veo"\nkey = "a"\npoll_seconds = 0', "poll_seconds"),
        ('[X]\nprovider = "veo"', "is no account"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(AccountsRefused, match=words):
        read(file_with(tmp_path, text), {})


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AccountsRefused, match="cannot be read"):
        read(tmp_path / "nowhere.toml")
