"""What is said of a GPU host before a worker begins there: what was looked at, and the next step for each fault."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from gpu_worker import clock, doctor
from gpu_worker.__main__ import main
from gpu_worker.doctor import Finding
from gpu_worker.settings import Settings
from gpu_worker.valkey_names import REMOTE_QUEUE, RENDER_QUEUE
from loremotion.local.ports import free_port
from tests.gpu_worker.valkey_users import user_of


@pytest.fixture
def host(tmp_path: Path, fleet_url: str) -> Settings:
    """Of a host with the fleet's user."""
    host = Settings.from_environment({"REDIS_URL": fleet_url, "GPU_WORKER_NAME": "gpu-1"})
    return replace(host, cache=tmp_path / "cache", models=tmp_path / "models")


def of_valkey(host: Settings, queue: str = RENDER_QUEUE) -> dict[str, Finding]:
    return {finding.what: finding for finding in doctor._valkey(host, queue)}


def test_a_host_where_all_is_well_is_told_so(
    host: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPU_WORKER_DEVICE", "cpu")
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 0)
    assert doctor.main(host, is_remote=False, reached=[]) == 0
    lines = capsys.readouterr().out.splitlines()
    looked_at = [line[6:].partition(":")[0] for line in lines]
    assert looked_at == [
        *("user", "valkey", "clock", "rights", "name", "cache", "sandbox", "models", "versions", "card"),
    ]
    assert not [line for line in lines if line.startswith("BAD")]


def test_the_command_ends_with_1_and_names_the_next_step(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    monkeypatch.setenv("GPU_WORKER_CACHE", str(tmp_path))
    monkeypatch.setenv("GPU_WORKER_DEVICE", "cuda:99")
    monkeypatch.setattr(doctor, "_sandbox", lambda: Finding("sandbox", "seccomp"))
    assert main(["--doctor"]) == 1
    said = capsys.readouterr().out
    assert "BAD   valkey: cannot be reached" in said
    assert "whether a firewall lets this host through" in said
    assert "BAD   card: " in said
    with pytest.raises(SystemExit):
        main(["--status", "--reach", "https://clips.example"])


def test_another_password_is_told_from_a_valkey_that_is_away(host: Settings) -> None:
    wrong = replace(host, redis_url=host.redis_url.replace("of%20the%20fleet", "another"))
    assert "Put user and password" in of_valkey(wrong)["valkey"].next_step


def test_the_user_of_another_kind_of_worker_lacks_rights(host: Settings) -> None:
    assert not of_valkey(host)["rights"].next_step
    assert "ACL LOAD" in of_valkey(host, REMOTE_QUEUE)["rights"].next_step


def test_the_user_of_another_worker_lacks_rights(valkey: redis.Redis, host: Settings) -> None:
    with user_of(valkey, "gpu-2") as url:
        found = of_valkey(replace(host, redis_url=url))
    assert "ACL LOAD" in found["rights"].next_step


@pytest.mark.parametrize(
    ("said", "is_fault"),
    [
        ({b"server": b"valkey", b"version": b"9.1.2"}, False),
        ([b"server", b"redis", b"version", b"7.0.15"], False),
        ([b"server", b"redis", b"version", b"6.2.14"], True),
    ],
)
def test_a_server_without_users_for_some_keys_is_too_old(said: Any, is_fault: bool) -> None:
    assert doctor._server(said).is_fault == is_fault


@pytest.mark.parametrize(("ahead", "is_fault"), [(0.4, False), (-90.0, True), (90.0, True)])
def test_a_clock_that_is_off_is_said(
    host: Settings, monkeypatch: pytest.MonkeyPatch, ahead: float, is_fault: bool
) -> None:
    monkeypatch.setattr(clock, "ahead_seconds", lambda connection: ahead)
    assert of_valkey(host)["clock"].is_fault == is_fault


def test_a_cache_that_cannot_be_written_and_one_that_is_full_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").write_text("")
    assert "GPU_WORKER_CACHE" in doctor._cache(tmp_path / "a file" / "cache").next_step
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 2**60)
    assert "Make room" in doctor._cache(tmp_path / "cache").next_step


@pytest.mark.parametrize(("status", "is_fault"), [(200, False), (403, False), (502, True)])
def test_whoever_answers_is_reached(monkeypatch: pytest.MonkeyPatch, status: int, is_fault: bool) -> None:
    monkeypatch.setattr(httpx, "get", lambda address, timeout: httpx.Response(status))
    assert doctor._address("https://files.clips.example").is_fault == is_fault


def test_an_address_that_nobody_answers_is_said() -> None:
    assert "firewall" in doctor._address(f"http://127.0.0.1:{free_port()}").next_step


def test_a_remote_worker_is_asked_for_its_accounts_and_no_card(host: Settings, tmp_path: Path) -> None:
    lacking = replace(host, accounts=tmp_path / "accounts.toml")
    found = {each.what: each for each in doctor.findings(lacking, is_remote=True, reached=[])}
    assert "docs/remote.md" in found["accounts"].next_step
    assert "card" not in found
