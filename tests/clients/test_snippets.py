"""What a model's page offers to be copied does what it says: each is taken off the page and run."""

from __future__ import annotations

import html
import os
import re
import subprocess
from pathlib import Path
from uuid import UUID

import pytest
from django.http import HttpRequest
from django.test import Client
from pytest_django import Settings
from rest_framework.response import Response

from generation.api import waiting
from generation.api.snippets import KEY
from generation.models import Generation
from generation.scheduling import dispatch
from generation.settlement import settle
from tests.clients.conftest import HERE
from tests.clients.test_python_client import PACKAGE
from tests.generation import factories
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)

PROMPT = """a fox's "own" `$HOME` \\ <b>ü</b>"""
RUNS: dict[str, list[str | Path]] = {
    "curl": ["bash", "-e"],
    "Python": [HERE / ".venv/bin/python"],
    "JavaScript": ["node"],
}
SUFFIX = {"curl": "sh", "Python": "py", "JavaScript": "mjs"}


def finish(generation: Generation) -> None:
    factories.deliver_clip(generation)
    settle.settle(factories.report(generation))


@pytest.fixture
def finished_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every clip is made as soon as it is asked for."""
    fill = dispatch.fill_window

    def make_all() -> None:
        fill()
        for generation in Generation.objects.open():
            finish(generation)

    monkeypatch.setattr(dispatch, "fill_window", make_all)


@pytest.fixture
def finished_when_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer waits for a clip, and each is made once it has been looked at twice."""
    looks = list[UUID]()

    def look(request: HttpRequest, clip: Generation, answer: Response) -> Response:
        if request.method == "GET" and clip.is_open:
            looks.append(clip.id)
            if len(looks) == 2:
                finish(clip)
        return answer

    monkeypatch.setattr(waiting, "until_ended", look)


@pytest.mark.parametrize(
    ("name", "finished"),
    [
        *((name, "finished_at_once") for name in RUNS),
        *((name, "finished_when_looked_at") for name in ("curl", "JavaScript")),  # our client is told by events
    ],
)
def test_it_makes_the_clip_that_the_page_says(
    asgi_site: str,
    key: str,
    settings: Settings,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    name: str,
    finished: str,
) -> None:
    request.getfixturevalue(finished)
    settings.SITE_URL = asgi_site
    page = Client().get("/models/toy/", {"prompt": PROMPT, "seconds": "1", "size": "96x64"}).content.decode()
    found = re.search(rf'aria-label="A clip by {name}"[^>]*><code>(.*?)</code>', page, re.DOTALL)
    assert found is not None
    program = tmp_path / f"snippet.{SUFFIX[name]}"
    program.write_text(html.unescape(found[1]))
    environment = {"PATH": os.environ["PATH"], KEY: key, "PYTHONPATH": str(PACKAGE / "src"), "HOME": str(tmp_path)}
    done = subprocess.run(
        [*RUNS[name], program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (made,) = Generation.objects.all()
    assert (made.prompt, made.width, made.height, round(made.num_frames / made.fps)) == (PROMPT, 96, 64, 1)
    assert (tmp_path / "clip.mp4").read_bytes() == factories.CLIP_BYTES


@pytest.mark.parametrize("said", [{"size": "1x1"}, {"seconds": "much"}, {"seconds": "nan"}, {"seconds": "9999"}])
def test_what_the_model_cannot_make_is_not_shown_as_if_it_could(key: str, said: dict[str, str]) -> None:
    page = Client().get("/models/toy/", said)
    assert page.status_code == 200
    assert next(iter(said.values())) not in re.findall(r"<code>(.*?)</code>", page.content.decode(), re.DOTALL)[0]
