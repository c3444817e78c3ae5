"""``deploy/Dockerfile``: no engine builds it here, so its own steps are taken in a folder of their own."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy/Dockerfile"
PROGRAMS = Path(sys.executable).parent
_TORCH, _DJANGO = ("torch", "diffusers", "transformers"), ("django", "rest_framework", "psycopg")
NOT_IN = {"web": _TORCH, "gpu": _DJANGO, "remote": (*_TORCH, *_DJANGO)}
"""What an image does not have: whatever imports it would fail there."""


def stage(name: str) -> list[str]:
    """The instructions of a stage of the Dockerfile."""
    joined = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text())
    whole = re.split(r"^FROM .* AS (\S+)$", joined, flags=re.M)
    found = dict(zip(whole[1::2], whole[2::2], strict=True))[name]
    return [line for line in found.splitlines() if line and not line.startswith("#")]


@pytest.fixture(params=["web", "gpu", "remote"])
def image(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """What an image's COPY lines put into it, and a Python that lacks what the image lacks."""
    folder = tmp_path / "srv"
    folder.mkdir()
    for line in stage(request.param):
        if line.startswith("COPY") and "--from" not in line:
            *sources, target = line.split()[1:]
            for source in sources:
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / source, folder / target)
    missing = "".join(f"sys.modules[{name!r}] = None\n" for name in NOT_IN[request.param])
    (tmp_path / "lacking").mkdir()
    (tmp_path / "lacking/sitecustomize.py").write_text(f"import sys\n{missing}")
    return request.param, folder


def run(command: list[str], folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": f"{PROGRAMS}:/usr/bin:/bin", "PYTHONPATH": str(folder.parent / "lacking"), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_image_holds_all_that_its_command_needs(image: tuple[str, Path]) -> None:
    name, folder = image
    if name == "remote":
        imports = "from gpu_worker import without_torch; without_torch.choose(); import gpu_worker.worker"
        run(["python", "-c", imports], folder)
    if name in ("gpu", "remote"):
        assert "usage" in run(["python", "-m", "gpu_worker", "--help"], folder)
        return
    [collect] = [line.removeprefix("RUN ") for line in stage("web") if line.startswith("RUN")]
    assert "static file" in run(["sh", "-c", collect], folder)
    assert any((folder / "var/static").glob("*.css"))
    settings = {name: "postgres://none/none" for name in ("DATABASE_URL",)}
    settings |= {"SECRET_KEY": "k" * 50, "REDIS_URL": "redis://none:6379/0"}
    run(["python", "manage.py", "check"], folder, **settings)
    run(["python", "-c", "import loremotion.asgi"], folder, **settings)


def test_the_sites_command_is_that_of_the_procfile() -> None:
    [command] = [line.removeprefix("CMD ") for line in stage("web") if line.startswith("CMD")]
    web = next(line for line in (ROOT / "Procfile").read_text().splitlines() if line.startswith("web: "))
    wanted = web.removeprefix("web: ").replace("127.0.0.1", "0.0.0.0").replace("$PORT", "8000")
    assert [word.strip('",[]') for word in command.split()] == shlex.split(wanted)


def test_every_top_folder_that_is_copied_is_let_in(tmp_path: Path) -> None:
    """``.dockerignore`` lets nothing in but what it names."""
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source.partition("/")[0]
        for name in ("web", "gpu", "remote", "web-packages", "gpu-packages", "remote-packages")
        for line in stage(name)
        if line.startswith("COPY") and "--from" not in line
        for source in line.split()[1:-1]
    }
    assert copied == let_in


def test_the_dockerfile_is_as_hadolint_wants_it() -> None:
    done = subprocess.run([PROGRAMS / "hadolint", DOCKERFILE], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
