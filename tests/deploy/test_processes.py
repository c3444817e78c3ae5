"""``deploy/compose.yaml`` and ``deploy/systemd``: they run every process of the Procfile, as it says, and remote
workers for whoever has accounts with providers."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from loremotion.local.environment import site_setting_names
from loremotion.local.stack import procfile
from tests.deploy.test_images import PROGRAMS, ROOT

COMPOSE = ROOT / "deploy/compose.yaml"
UNITS = ROOT / "deploy/systemd"
SYSTEMD = shutil.which("systemd-analyze")
REMOTE = "python -m gpu_worker --remote"
"""It needs accounts, so ``make run`` does not start it."""
GUARD = "python -m gpu_worker guard"
"""It needs a classifier, so neither does it start this."""
OPTIONAL = ("guard", "remote")
OTHERS = {"postgres", "valkey", "proxy", "migrate", "prometheus", "grafana"}
INSTANCES = {"loremotion-queue@": ("reports", "signing", "stripe", "webhooks", "mail"), "loremotion-gpu@": ("0",)}
MOST_EXPOSURE = {"loremotion-gpu@": 50}
"""Of ``systemd-analyze security``, in tenths; it needs the card's devices."""


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def test_compose_reads_it(services: dict[str, Any]) -> None:
    done = subprocess.run(
        [PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_every_process_has_a_service_with_its_command(services: dict[str, Any]) -> None:
    assert set(services) == {*procfile(), *OPTIONAL, *OTHERS}
    assert [services[name]["profiles"] for name in OPTIONAL] == [["guard"], ["remote"]], "each needs what few have"
    assert services["guard"]["command"] == [*shlex.split(GUARD), "--host", "0.0.0.0"]
    for name, command in procfile().items():
        if name not in ("web", "gpu"):  # theirs are the images' own
            assert services[name]["command"] == shlex.split(command)


def test_a_gpu_host_gets_none_of_the_sites_secrets(services: dict[str, Any]) -> None:
    for name in ("gpu", *OPTIONAL):
        assert "env_file" not in services[name]
        allowed = {"REDIS_URL", "LOG_FORMAT", "GUARD_MODEL", "GUARD_TOKEN"}
        assert not (site_setting_names() - allowed) & set(services[name]["environment"])


def test_no_process_of_ours_may_gain_rights_or_write_to_its_root(services: dict[str, Any]) -> None:
    for name in (*procfile(), *OPTIONAL):
        service = services[name]
        assert service["read_only"]
        assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])


def test_volumes_belong_to_whom_the_images_run_as(services: dict[str, Any]) -> None:
    """One that is mounted for the first time takes over the owner of the image's folder, and else belongs to
    root; anybody may write to an image's /tmp."""
    [made] = re.findall(r"install -d -o loremotion -g loremotion (.*)", (ROOT / "deploy/Dockerfile").read_text())
    ours = (*procfile(), *OPTIONAL)
    volumes = [volume for name in ours for volume in services[name]["volumes"] if not volume.endswith(":ro")]
    assert {re.sub(r"^.*?:(?=/)([^:]+).*$", r"\1", volume) for volume in volumes} <= {"/data", "/tmp", *made.split()}


def test_what_the_hub_brings_goes_where_a_worker_may_write() -> None:
    [image] = re.findall(r"HF_HOME=(\S+)", (ROOT / "deploy/Dockerfile").read_text())
    assert image.startswith("/data/cache/")
    unit = (UNITS / "loremotion-gpu@.service").read_text()
    [folder] = re.findall(r"HF_HOME=(\S+)", unit)
    [state] = re.findall(r"^StateDirectory=(\S+)", unit, re.M)
    assert folder.startswith(f"/var/lib/{state}/")


def test_the_page_makes_whom_and_what_the_units_need() -> None:
    page = (ROOT / "docs/operations.md").read_text().split("## With systemd\n", 1)[1].split("\n## ", 1)[0]
    for _, text in units():
        for user in re.findall(r"^User=(.*)$", text, re.M):
            assert re.search(rf"useradd .*\b{user}$", page, re.M)
        for folder in re.findall(r"^WorkingDirectory=(.*)$", text, re.M):
            assert f"{folder}`" in page
    for command in ("migrate", "seed", "collectstatic"):
        assert f"manage.py {command}" in page


def test_every_variable_is_in_the_example_of_an_environment() -> None:
    said = set(re.findall(r"^([A-Z_]+)=", (ROOT / "deploy/env.example").read_text(), re.M))
    optional = {"RELEASE", "GPU_WORKER_NAME", "REMOTE_WORKER_NAME"}
    assert set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", COMPOSE.read_text())) <= said | optional


def units() -> list[tuple[str, str]]:
    """Name and text of each unit, a template by its instances."""
    found = []
    for path in sorted(UNITS.glob("*.service")):
        for instance in INSTANCES.get(path.stem, ("",)):
            found.append((f"{path.stem}{instance}.service", path.read_text().replace("%i", instance)))
    return found


def test_every_process_has_a_unit_with_its_command() -> None:
    lines = [re.search(r"^ExecStart=\S+/bin/(.*)$", text, re.M) for _, text in units()]
    commands = {line[1].replace("${PORT}", "$PORT") for line in lines if line is not None}
    assert commands == {*procfile().values(), REMOTE, GUARD}


def test_the_target_wants_every_unit_of_the_web_side() -> None:
    [wants] = re.findall(r"^Wants=(.*)$", (UNITS / "loremotion.target").read_text(), re.M)
    assert set(wants.split()) == {name for name, _ in units() if not re.search("gpu|guard|remote", name)}


@pytest.mark.skipif(SYSTEMD is None, reason="systemd-analyze is not installed here")
def test_systemd_takes_the_units_and_calls_them_confined(tmp_path: Path) -> None:
    assert SYSTEMD is not None
    for name, text in units():
        (tmp_path / name).write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.M))
    for name, _ in units():
        taken = subprocess.run([SYSTEMD, "verify", "--man=no", tmp_path / name], capture_output=True, text=True)
        assert (taken.returncode, taken.stderr) == (0, "")
        most = MOST_EXPOSURE.get(f"{name.partition('@')[0]}@", 35)
        confined = subprocess.run(
            [SYSTEMD, "security", "--offline=true", f"--threshold={most}", tmp_path / name],
            capture_output=True,
            text=True,
        )
        assert confined.returncode == 0, confined.stdout.splitlines()[-1]
