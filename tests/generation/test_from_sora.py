"""``/from-sora/`` is complete and true: it is compared with OpenAI's own client, and its code is run."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from openai.resources.videos import Videos
from openai.types import Video
from openai.types.video_create_params import VideoCreateParams
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts import api_keys
from accounts.models import Visitor
from accounts.roles import BY_ROLE, Role
from billing import ledger
from catalog.models import Model
from generation.api.snippets import KEY
from generation.models import Generation
from generation.pages.from_sora import ANSWER, METHODS, REQUEST
from generation.scheduling import dispatch
from generation.settlement import settle
from tests.accounts import factories as people
from tests.generation import factories
from tests.generation.conftest import ClientOf

OF_THE_CLIENT_ALONE = {"with_raw_response", "with_streaming_response"}


def test_it_names_everything_that_openais_client_has() -> None:
    assert {row.name for row in REQUEST} == set(VideoCreateParams.__annotations__)
    assert {row.name for row in ANSWER} == set(Video.model_fields)
    methods = {name for name in dir(Videos) if not name.startswith("_")} - OF_THE_CLIENT_ALONE
    assert {row.name for row in METHODS} == methods


@pytest.mark.django_db
def test_what_is_said_to_be_in_an_answer_is_there(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    client = client_of(alice)

    def post(**said: Any) -> Any:
        return client.post("/v1/videos", json.dumps(said), content_type="application/json")

    made = post(prompt="a fox", model="toy", seconds="1", size="96x64").json()
    assert {row.name for row in ANSWER} <= set(made)
    refused = post(prompt="a fox", model="sora-2")
    assert (refused.status_code, "sora-2" in refused.json()["detail"]) == (422, True)
    assert client.get(f"/v1/videos/{made['id']}/content?variant=spritesheet").json()["code"] == "not_ready"


@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # OpenAI closes its own service behind this client
def test_the_code_on_it_makes_a_clip(
    live_server: LiveServer, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SITE_URL = live_server.url
    factories.model()
    owner = people.person("owner@example.org")
    studio = people.team(owner, "Studio")
    ledger.grant(account=studio.id, reference=f"test:{studio.id}", amount=40, kind=ledger.LotKind.PACK)
    scopes = ["generate", "read"]
    _, key = api_keys.issue(workspace=studio, by=owner, allowed=BY_ROLE[Role.OWNER], name="k", scopes=scopes)

    def make_all() -> None:
        for generation in Generation.objects.open():
            factories.deliver_clip(generation)
            settle.settle(factories.report(generation))

    monkeypatch.setattr(dispatch, "fill_window", make_all)
    monkeypatch.chdir(tmp_path)
    page = Client().get("/from-sora/").content.decode()
    found = re.search(r'aria-label="The change"[^>]*><code>(.*?)</code>', page, re.DOTALL)
    assert found is not None
    monkeypatch.setenv(KEY, key)
    exec(html.unescape(found[1]), {})  # noqa: S102 - our own page
    assert (tmp_path / "clip.mp4").read_bytes() == factories.CLIP_BYTES
