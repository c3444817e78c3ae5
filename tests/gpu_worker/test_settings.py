"""Settings from the environment: defaults that work, and refusals that name the variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpu_worker.settings import Settings, SettingsRefused, documented


def test_it_works_with_nothing_set() -> None:
    settings = Settings.from_environment({})
    assert settings.redis_url == "redis://127.0.0.1:6379/0"
    assert settings.name
    assert settings.models.is_absolute()
    assert settings.metrics is None


def test_values_are_read_with_their_types() -> None:
    settings = Settings.from_environment(
        {
            "GPU_WORKER_NAME": "rack-3.gpu0",
            "GPU_WORKER_METRICS": "[::1]:9109",
            "GPU_WORKER_GRACE_SECONDS": "2.5",
            "GPU_WORKER_WINDOW": "4",
            "GPU_WORKER_LOG_LEVEL": "DEBUG",
        }
    )
    assert (settings.name, settings.metrics, settings.window) == ("rack-3.gpu0", ("::1", 9109), 4)
    assert (settings.grace_seconds, settings.log_level) == (2.5, "DEBUG")


def test_a_card_in_the_environment_tells_two_workers_of_one_host_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    names = set()
    for card in ("", "0", "1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", card)
        names.add(Settings.from_environment({}).name)
    assert len(names) == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "redis+sentinel://one:26379,two:26379"),
        ("GPU_WORKER_NAME", "two words"),
        ("GPU_WORKER_WINDOW", "0"),
        ("GPU_WORKER_WINDOW", "many"),
        ("GPU_WORKER_WINDOW", "9" * 5_000),
        ("GPU_WORKER_MAX_SKIPS", "-1"),
        ("GPU_WORKER_STALL_SECONDS", "nan"),
        ("GPU_WORKER_STALL_SECONDS", "inf"),
        ("GPU_WORKER_STALL_SECONDS", "0"),
        ("GPU_WORKER_GRACE_SECONDS", "soon"),
        ("GPU_WORKER_METRICS", "9109"),
        ("GPU_WORKER_METRICS", "host:99999"),
        ("GPU_WORKER_METRICS", "host:" + "9" * 5_000),
        ("GPU_WORKER_LOG_LEVEL", "LOUD"),
        ("GPU_WORKER_POLICY", "random"),
        ("GPU_WORKER_CARDS", "0"),
        ("GPU_WORKER_CARDS", "1,1"),
        ("GPU_WORKER_CARDS", "all"),
        ("GPU_WORKER_CACHE", __file__),
        ("GPU_WORKER_CACHE", "~nobody-of-this-machine/cache"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsRefused, match=name):
        Settings.from_environment({name: value})


def test_a_refusal_says_what_would_work_and_shows_no_password() -> None:
    with pytest.raises(SettingsRefused) as refusal:
        Settings.from_environment({"REDIS_URL": "valkey://worker:a-password@host:6379/0"})
    ways = "redis://, rediss://, unix://, redis+sentinel:// or rediss+sentinel://"
    assert str(refusal.value) == f"REDIS_URL: begin it with {ways}."


def test_several_cards_are_listed_by_their_numbers() -> None:
    assert Settings.from_environment({"GPU_WORKER_CARDS": "0,1,3"}).cards == (0, 1, 3)
    assert Settings.from_environment({}).cards == ()


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.from_environment({"GPU_WORKER_WINDOW": " ", "GPU_WORKER_POLICY": ""}).window == 16


def test_the_process_s_own_variables_are_not_read_beside_the_given_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_WORKER_WINDOW", "7")
    assert Settings.from_environment({}).window == 16


def test_every_setting_is_documented_once_and_prefixed() -> None:
    variables = documented()
    names = [variable.name for variable in variables]
    assert len(names) == len(set(names)) >= 15
    assert all(
        name.startswith("GPU_WORKER_")
        for name in names
        if name not in ("REDIS_URL", "LOG_FORMAT", "REMOTE_KEYS_PRIVATE")
    )
    assert all(variable.meaning.endswith(".") for variable in variables)


def test_scratch_files_lie_under_the_cache_apart_for_each_worker(tmp_path: Path) -> None:
    settings = Settings.from_environment({"GPU_WORKER_CACHE": str(tmp_path), "GPU_WORKER_NAME": "w"})
    assert settings.scratch == tmp_path / "scratch" / "w"
