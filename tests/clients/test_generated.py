"""A Python client that a generator makes from the contract: whatever the contract promises, it can do."""

from __future__ import annotations

import importlib
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from PIL import Image
from pytest_django.live_server_helper import LiveServer

from generation.models import Generation
from tests.clients.conftest import HERE
from tests.generation import factories
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)

GENERATOR = HERE / ".venv/bin/openapi-python-client"


@pytest.fixture
def generated(live_server: LiveServer, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The site as the generated client sees it: ``generated.client``, and its modules by ``generated(name)``."""
    if not GENERATOR.exists():
        pytest.skip("The client generator is not installed: 'make clients' brings it")
    contract = tmp_path / "contract.json"
    contract.write_bytes(Client().get("/v1/openapi.json").content)
    options: list[str | Path] = ["--path", contract, "--config", HERE / "generated.json", "--meta", "none"]
    made = subprocess.run(
        [GENERATOR, "generate", *options, "--output-path", tmp_path / "generated_client", "--fail-on-warning"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    monkeypatch.syspath_prepend(tmp_path)

    def module(name: str) -> Any:
        return importlib.import_module(f"generated_client.{name}")

    module.client = module("client").AuthenticatedClient(  # type: ignore[attr-defined]
        base_url=live_server.url, token=key, raise_on_unexpected_status=True
    )
    yield module
    for name in [name for name in sys.modules if name.partition(".")[0] == "generated_client"]:
        del sys.modules[name]


def test_it_uploads_lists_downloads_and_deletes(generated: Any, made: Generation) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (96, 64), "red").save(picture, "PNG")
    picture.seek(0)
    models, files = generated("models"), generated("types")
    ask = models.AskWithFiles(
        prompt="a fox", image=files.File(payload=picture, file_name="a.png", mime_type="image/png")
    )
    created = generated("api.videos.create_video").sync(client=generated.client, body=ask)
    assert (created.status, Generation.objects.get(id=created.id).mode) == ("queued", "image")
    listed = generated("api.videos.list_videos").sync(client=generated.client, limit=5)
    assert [video.id for video in listed.data] == [created.id, made.id]
    content = generated("api.videos.get_video_content").sync_detailed(made.id, client=generated.client)
    assert content.parsed.payload.read() == factories.CLIP_BYTES
    assert generated("api.videos.delete_video").sync(made.id, client=generated.client).deleted


def test_a_refusal_is_a_problem_that_it_can_read(generated: Any) -> None:
    ask = generated("models").Ask(prompt="a fox", size="1x1")
    refused = generated("api.videos.create_video").sync(client=generated.client, body=ask)
    assert (refused.status, refused.error.param) == (422, "size")
