"""OpenAI's own client, pointed at this site."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from PIL import Image
from pytest_django.live_server_helper import LiveServer

from accounts import api_keys
from accounts.models import Workspace
from accounts.roles import BY_ROLE, Role
from billing import ledger
from generation.models import Generation
from generation.settlement import settle
from tests.accounts import factories as people
from tests.generation import factories

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # OpenAI closes its own service behind this client
]


@pytest.fixture
def studio(transactional_db: None) -> Workspace:
    factories.model(modes=["text", "image", "extend"])
    studio = people.team(people.person("owner@example.org"), "Studio")
    ledger.grant(account=studio.id, reference=f"test:{studio.id}", amount=40, kind=ledger.LotKind.PACK)
    return studio


@pytest.fixture
def client(studio: Workspace, live_server: LiveServer) -> Iterator[OpenAI]:
    owner = studio.memberships.get(role=Role.OWNER).user
    _, text = api_keys.issue(
        workspace=studio, by=owner, allowed=BY_ROLE[Role.OWNER], name="k", scopes=["generate", "read"]
    )
    with OpenAI(base_url=f"{live_server.url}/v1", api_key=text, max_retries=0) as client:
        yield client


def finish(generation_id: str) -> None:
    generation = Generation.objects.get(id=generation_id)
    factories.deliver_clip(generation)
    settle.settle(factories.report(generation))


def test_from_prompt_to_file_and_gone(client: OpenAI) -> None:
    made = client.videos.create(model="toy", prompt="a fox", seconds="2", size="96x64")  # type: ignore[arg-type]
    assert made.status == "queued"
    finish(made.id)
    video = client.videos.poll(made.id)
    assert (video.status, video.progress, video.error) == ("completed", 100, None)
    assert client.videos.download_content(made.id).read() == factories.CLIP_BYTES
    assert [listed.id for listed in client.videos.list(limit=5)] == [made.id]
    assert client.videos.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(made.id)


def test_clips_are_deleted_in_the_loop_that_lists_them(client: OpenAI) -> None:
    made = [client.videos.create(model="toy", prompt=f"fox {number}").id for number in range(3)]
    for each in made:
        finish(each)
    deleted = []
    for video in client.videos.list(limit=1):  # each further page begins after a clip that is deleted by then
        client.videos.delete(video.id)
        deleted.append(video.id)
    assert deleted == made[::-1]


def test_a_picture_to_start_from(client: OpenAI) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (96, 64), "red").save(picture, "PNG")
    made = client.videos.create(model="toy", prompt="a fox", input_reference=("a.png", picture.getvalue()))
    assert Generation.objects.get(id=made.id).mode == "image"


def test_a_clip_is_continued(client: OpenAI) -> None:
    made = client.videos.create(model="toy", prompt="a fox")
    finish(made.id)
    # Its types know Sora's lengths alone, and a clip by its id only as an extra (the typed form fails in the client).
    asked: dict[str, Any] = {"prompt": "it runs", "seconds": "2", "video": openai.omit}
    more = client.videos.extend(**asked, extra_body={"video": {"id": made.id}})
    assert Generation.objects.get(id=more.id).mode == "extend"


def test_refusals_arrive_as_its_own_errors_and_are_not_tried_again(client: OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.videos.create(model="toy", prompt="a fox", size="1x1")  # type: ignore[arg-type]
    assert refused.value.param == "size"
    for _ in range(3):
        client.videos.create(model="toy", prompt="a fox")
    with pytest.raises(openai.APIStatusError) as poor:
        client.with_options(max_retries=2).videos.create(model="toy", prompt="a fox")
    assert poor.value.status_code == 402


def test_a_retry_whose_first_answer_was_lost_is_not_paid_twice(client: OpenAI, studio: Workspace) -> None:
    made = client.videos.create(model="toy", prompt="a fox")
    again = client.videos.create(model="toy", prompt="a fox", extra_headers={"x-stainless-retry-count": "1"})
    assert again.id == made.id
    assert Generation.objects.of(studio).count() == 1
