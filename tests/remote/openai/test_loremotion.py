"""A second LoreMotion as the provider: what speaks to OpenAI-shaped servers, against this site's own API."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from accounts import api_keys
from accounts.models import Workspace
from accounts.roles import BY_ROLE, Role
from billing import ledger
from billing.statements import balance
from generation.models import Generation
from generation.settlement import settle
from gpu_worker.remote.accounts import Account
from gpu_worker.remote.errors import RemoteFailed
from gpu_worker.remote.provider import Ask, Status
from gpu_worker.remote.providers.openai import OpenAIShaped
from tests.accounts import factories as people
from tests.generation import factories
from tests.generation.conftest import empty_valkey

__all__ = ["empty_valkey"]
pytestmark = pytest.mark.django_db(transaction=True)
ASK = Ask(
    model="toy",
    prompt="a fox",
    negative_prompt="text",
    seed=7,
    width=96,
    height=64,
    num_frames=17,
    fps=8.0,
    image_png=None,
)


@pytest.fixture
def studio(transactional_db: None) -> Workspace:
    factories.model()
    studio = people.team(people.person("owner@example.org"), "Studio")
    ledger.grant(account=studio.id, reference=f"test:{studio.id}", amount=40, kind=ledger.LotKind.PACK)
    return studio


@pytest.fixture
def provider(studio: Workspace, live_server: LiveServer) -> OpenAIShaped:
    owner = studio.memberships.get(role=Role.OWNER).user
    _, key = api_keys.issue(
        workspace=studio, by=owner, allowed=BY_ROLE[Role.OWNER], name="k", scopes=["generate", "read"]
    )
    account = Account(
        name="there",
        provider="openai",
        url=f"{live_server.url}/v1",
        title="There",
        key=key,
        is_idempotent=True,
        fields=("seed", "negative_prompt"),
    )
    return OpenAIShaped(account)


def test_a_start_that_is_sent_twice_makes_one_clip_which_is_fetched(provider: OpenAIShaped, tmp_path: Path) -> None:
    name = provider.start(ASK, "clip-0")
    assert provider.start(ASK, "clip-0") == name
    clip = Generation.objects.get()
    assert (clip.prompt, clip.negative_prompt, clip.seed) == ("a fox", "text", 7)
    assert (clip.width, clip.height, clip.num_frames) == (96, 64, ASK.num_frames)
    assert provider.look(name).status == Status.WAITING
    factories.deliver_clip(clip)
    settle.settle(factories.report(clip))
    seen = provider.look(name)
    assert seen.status == Status.DONE
    provider.download(name, seen, tmp_path / "clip.mp4", lambda: None)
    assert (tmp_path / "clip.mp4").read_bytes() == factories.CLIP_BYTES


def test_cancelling_it_costs_nothing_there(provider: OpenAIShaped, studio: Workspace) -> None:
    before = balance(account=studio.id)
    name = provider.start(ASK, "clip-0")
    provider.cancel(name)
    assert provider.look(name).status == Status.FAILED
    assert balance(account=studio.id) == before


@pytest.mark.parametrize(
    ("changes", "says"), [({"model": "no-such-model"}, "no-such-model"), ({"width": 97}, "97")], ids=["model", "size"]
)
def test_a_refusal_is_handed_on_in_its_words(provider: OpenAIShaped, changes: dict[str, object], says: str) -> None:
    with pytest.raises(RemoteFailed, match=says):
        provider.start(replace(ASK, **changes), "clip-0")  # type: ignore[arg-type]
