"""Which LoreMotion runs: its version, which every file that names one shares, and the release that it was built as."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import loremotion

ROOT = Path(__file__).parents[1]


def test_every_file_that_names_the_version_names_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = re.findall(r'^(?:version|appVersion): "?([^"\n]+)"?$', (ROOT / "deploy/helm/Chart.yaml").read_text(), re.M)
    assert {project, *chart} == {loremotion.__version__}


def test_an_image_is_told_the_release_that_it_is_called_by() -> None:
    assert "RELEASE: ${RELEASE:-}" in (ROOT / "deploy/compose.yaml").read_text()
    chart = (ROOT / "deploy/helm/templates/_helpers.tpl").read_text()
    assert "{name: RELEASE, value: {{ .Values.image.tag | default .Chart.AppVersion | quote }}}" in chart
