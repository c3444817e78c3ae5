"""``deploy/compose.yaml`` and ``deploy/systemd``: they run every process of the Procfile, as it says, and remote
workers for whoever has accounts with providers."""

from __future__ import annotations

import json
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
STORE = ("store", "bucket")
"""A bucket on the same machine, for whoever has none elsewhere."""
OTHERS = {"postgres", "valkey", "proxy", "migrate", "prometheus", "grafana", *STORE}
INSTANCES = {"loremotion-queue@": ("reports", "signing", "stripe", "webhooks", "mail"), "loremotion-gpu@": ("0",)}
MOST_EXPOSURE = {"loremotion-gpu@": 50}
"""Of ``systemd-analyze security``, in tenths; it needs the card's devices."""


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def test_compose_reads_it() -> None:
    assert is_read(COMPOSE) == ""


def is_read(file: Path) -> str:
    """What Compose's schema has against a file; empty: nothing."""
    done = subprocess.run(
        [PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", file],
        capture_output=True,
        text=True,
    )
    return done.stdout if done.returncode else ""


def test_every_process_has_a_service_with_its_command(services: dict[str, Any]) -> None:
    assert set(services) == {*procfile(), *OPTIONAL, *OTHERS}
    assert [services[name]["profiles"] for name in OPTIONAL] == [["guard"], ["remote"]], "each needs what few have"
    assert services["guard"]["command"] == [*shlex.split(GUARD), "--host", "0.0.0.0"]
    for name, command in procfile().items():
        if name not in ("web", "gpu"):  # theirs are the images' own
            assert services[name]["command"] == shlex.split(command)


def test_a_host_with_several_cards_has_a_worker_for_each(services: dict[str, Any], tmp_path: Path) -> None:
    page = (ROOT / "docs/operations.md").read_text()
    [block] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "compose.override.yaml").write_text(block)
    assert is_read(tmp_path / "compose.override.yaml") == ""
    [further] = yaml.safe_load(block)["services"].values()
    assert further["extends"] == {"file": COMPOSE.name, "service": "gpu"}
    first = services["gpu"]["environment"]
    assert further["environment"].keys() <= first.keys()
    assert all(value not in first[name] for name, value in further["environment"].items())
    assert "gpu" in further["networks"]["default"]["aliases"]
    assert "- job_name: loremotion-gpu\n          dns_sd_configs: [{names: [gpu]" in COMPOSE.read_text()


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


def test_whoever_has_no_bucket_elsewhere_gets_one_under_the_name_that_browsers_know(services: dict[str, Any]) -> None:
    store, bucket, proxy = services["store"], services["bucket"], services["proxy"]
    assert [each["profiles"] for each in (store, bucket)] == [["store"], ["store"]], "most have one elsewhere"
    assert re.search(r":v\d+\.\d+\.\d+$", store["image"])
    assert (store["read_only"], store["cap_drop"]) == (True, ["ALL"])
    assert "ports" not in store, "it is reached through the proxy, which speaks TLS"
    assert store["healthcheck"]["test"][-1].endswith(store["environment"]["VGW_HEALTH"])
    assert bucket["command"][2:] == ["make_bucket", "--endpoint", "http://store:7070"]
    assert bucket["depends_on"]["store"]["condition"] == "service_healthy"
    assert proxy["networks"]["default"]["aliases"] == ["${STORE_HOST:-store.invalid}"]
    keys = [store["environment"][f"ROOT_{kind}"] for kind in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")]
    assert keys == ["${AWS_ACCESS_KEY_ID:-}", "${AWS_SECRET_ACCESS_KEY:-}"], "the site's own: there is no other user"


@pytest.mark.parametrize("store", ["files.clips.example", "http://store.invalid"])
def test_the_proxy_hands_on_what_is_for_the_site_and_what_is_for_its_bucket(
    services: dict[str, Any], tmp_path: Path, store: str
) -> None:
    written = services["proxy"]["command"][2].replace("$$", "$").partition(" && exec")[0]
    for volume in services["proxy"]["volumes"]:
        path, _, inside = volume.removesuffix(":ro").partition(":")
        written = written.replace(f" {inside} ", f" {ROOT / 'deploy' / path} ")
    written = written.replace("/tmp/Caddyfile", str(tmp_path / "Caddyfile"))
    subprocess.run(["/bin/sh", "-c", written], check=True)
    command: list[str | Path] = [
        PROGRAMS / "caddy",
        "adapt",
        "--adapter",
        "caddyfile",
        "--config",
        tmp_path / "Caddyfile",
        "--validate",
    ]
    hosts = {"SITE_HOST": "clips.example", "STORE_SITE": store, "HOME": str(tmp_path)}
    done = subprocess.run(command, env=hosts, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    routes = [
        route for server in json.loads(done.stdout)["apps"]["http"]["servers"].values() for route in server["routes"]
    ]
    upstreams = {route["match"][0]["host"][0]: re.findall(r'"dial": "(.*?)"', json.dumps(route)) for route in routes}
    assert upstreams == {"clips.example": ["web:8000"], store.removeprefix("http://"): ["store:7070"]}


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
