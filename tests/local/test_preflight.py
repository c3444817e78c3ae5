"""What is in the way is said in one line, with the next step."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest
from honcho.environ import parse

from loremotion.local import preflight
from loremotion.local.environment import save
from loremotion.local.failure import CannotStart
from loremotion.local.ports import free_port
from loremotion.local.secret_files import secret


def test_a_port_in_use_names_the_variable_to_set() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"Port {port} is in use: .* 'make run PORT=8001'") as problem:
            preflight.port_of({"PORT": str(port)})
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1", "80.5", "²"])
def test_a_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CannotStart, match=f"PORT={text} is not a port"):
        preflight.port_of({"PORT": text})


def test_a_free_port_is_taken_as_asked() -> None:
    port = free_port()
    assert preflight.port_of({"PORT": str(port)}) == port


def test_a_full_disk_is_said_with_the_figures(tmp_path: Path) -> None:
    preflight.check_disk(tmp_path, needed_bytes=1)
    with pytest.raises(CannotStart, match=r"MiB are free, 1048576000 MiB are needed"):
        preflight.check_disk(tmp_path, needed_bytes=1000 * 1024**4)


def test_one_run_at_a_time_in_a_folder(tmp_path: Path) -> None:
    with (
        preflight.alone_in(tmp_path),
        pytest.raises(CannotStart, match="running already"),
        preflight.alone_in(tmp_path),
    ):
        pass
    with preflight.alone_in(tmp_path):
        pass


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first = secret(tmp_path / "secrets", "secret_key")
    assert len(first) >= 32
    assert secret(tmp_path / "secrets", "secret_key") == first
    assert secret(tmp_path / "secrets", "staff_password") != first
    for path in (tmp_path / "secrets").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_saved_settings_are_private_and_read_back_by_honcho(tmp_path: Path) -> None:
    settings = {"DATABASE_URL": "postgres://a:b-_c@127.0.0.1:1/x", "SECRET_KEY": "a b#c$d", "EMPTY": ""}
    path = tmp_path / "environment"
    save(settings, path)
    assert parse(path.read_text()) == settings
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
