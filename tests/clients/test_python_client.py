"""The project's own client, ``clients/python``: its tests against this site, and its release."""

from __future__ import annotations

import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from generation.models import Generation
from tests.clients.conftest import HERE
from tests.patience import PATIENCE_SECONDS

PACKAGE = HERE.parents[1] / "clients/python"
PYTHON = HERE / ".venv/bin/python"

IS_MISSING = "The client's libraries are not installed: 'make clients' brings them"

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason=IS_MISSING)


def run_with_client(*command: str | Path, cwd: Path = PACKAGE, **environment: str) -> str:
    """What the command printed, run with the client's libraries and none of the site's."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    path = str(PACKAGE / "src")
    done = subprocess.run(
        [PYTHON, *command],
        cwd=cwd,
        env={**inherited, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.django_db(transaction=True)
def test_its_own_tests_pass_against_this_site(asgi_site: str, key: str, made: Generation) -> None:
    said = run_with_client(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider"),
        SITE=asgi_site,
        KEY=key,
        MADE=str(made.id),
    )
    assert "skipped" not in said, said


def test_its_release_is_whole_and_runs(tmp_path: Path) -> None:
    base = "https://files.example/v1/clients/python"
    build = ("-m", "build", "--no-isolation", "--outdir", tmp_path / "dist", PACKAGE)
    run_with_client(*build, cwd=tmp_path, README_BASE=base)
    run_with_client("-m", "twine", "check", "--strict", *(tmp_path / "dist").iterdir(), cwd=tmp_path)
    wheel = next((tmp_path / "dist").glob("*.whl"))
    with zipfile.ZipFile(wheel) as files:
        names = files.namelist()
        files.extractall(tmp_path / "installed")
        described = files.read(next(name for name in names if name.endswith("/METADATA"))).decode()
    assert f"({base}/README.gif)" in described, "an index of packages has no files beside it"
    assert "(https://files.example/v1/README.md)" in described
    assert "loremotion/py.typed" in names
    assert [name for name in names if not name.startswith("loremotion")] == []
    said = run_with_client("-m", "loremotion", "--version", cwd=tmp_path, PYTHONPATH=str(tmp_path / "installed"))
    assert wheel.name.split("-")[1] in said
