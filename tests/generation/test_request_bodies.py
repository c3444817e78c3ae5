"""Nothing that is sent is left out in silence, and the contract names exactly what is taken."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from rest_framework import serializers

from accounts import api_keys
from accounts.models import Visitor
from accounts.roles import BY_ROLE, Role
from billing.models import Hold
from catalog.models import Model
from generation.api import batches, characters, device_login, drafts, sharing, storyboards, verification, webhooks
from generation.api.serializers import AskSerializer, FromVideoSerializer, RemixSerializer
from generation.api.views import ChangeSerializer
from generation.models import Generation
from gpu_worker.families import ROLES
from tests.accounts import factories as people
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished
from tests.generation.test_uploads import picture_file

pytestmark = pytest.mark.django_db

READ_BY: dict[str, type[serializers.Serializer[Any]]] = {
    "createVideo": AskSerializer,
    "createVideos": batches.BatchSerializer,
    "createStoryboard": storyboards.StoryboardSerializer,
    "changeStoryboard": storyboards.StoryboardSerializer,
    "renderStoryboard": storyboards.RenderSerializer,
    "finishVideo": drafts.FinishSerializer,
    "quoteVideo": AskSerializer,
    "editVideo": FromVideoSerializer,
    "extendVideo": FromVideoSerializer,
    "remixVideo": RemixSerializer,
    "changeVideo": ChangeSerializer,
    "createCharacter": characters.CharacterSerializer,
    "renameCharacter": characters.RenameSerializer,
    "beginDeviceLogin": device_login.BeginSerializer,
    "claimDeviceLogin": device_login.ClaimSerializer,
    "verifyFile": verification.FileToVerify,
    "shareVideo": sharing.ShareSerializer,
    "createWebhookEndpoint": webhooks.EndpointSerializer,
    "changeWebhookEndpoint": webhooks.EndpointSerializer,
    "rotateWebhookSecret": webhooks.RotateSerializer,
    "testWebhookEndpoint": webhooks.TestSerializer,
}
OF_OTHER_APIS = {
    "duration": "seconds",
    "resolution": "size",
    "aspect_ratio": "size",
    "num_frames": "seconds",
    "num_inference_steps": "steps",
    "image_url": "image",
    "promptImage": "image",
    "input_image": "image",
    "first_frame_image": "image",
    "init_image": "image",
    "end_image_url": "last_image",
    "image_tail": "last_image",
    "lastFrame": "last_image",
    "video_url": "video",
    "audio_url": "audio",
    "mask_image": "mask",
    "negativePrompt": "negative_prompt",
    "Seconds": "seconds",
    "num_outputs": "n",
    "numberOfVideos": "n",
    "webhook": "",
    "generate_audio": "",
    "seed_value": "seed",
    "user": "user_ref",
    "external_task_id": "user_ref",
    "promptText": "prompt",
    "durationSeconds": "seconds",
    "ratio": "size",
    "aspectRatio": "size",
    "inferenceSteps": "steps",
    "webhook_url": "",
    "callback_url": "",
    "style": "",
}


def resolved(contract: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Its properties, by way of references and of all that it is made of."""
    if "$ref" in schema:
        found: Any = contract
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return resolved(contract, found)
    properties = dict(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        properties |= resolved(contract, part)
    return properties


def bodies(contract: dict[str, Any]) -> dict[str, dict[str, set[str]]]:
    """Operation → kind of content → names that may be sent."""
    found = {}
    for item in contract["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict) and "requestBody" in operation:
                body = operation["requestBody"]
                if "$ref" in body:
                    body = contract["components"]["requestBodies"][body["$ref"].rsplit("/", 1)[-1]]
                found[operation["operationId"]] = {
                    kind: set(resolved(contract, content["schema"])) for kind, content in body["content"].items()
                }
    return found


def test_the_contract_names_exactly_what_is_read(toy: Model, client: Client) -> None:
    said = bodies(client.get("/v1/openapi.json").json())
    assert set(said) == set(READ_BY)
    for operation, kinds in said.items():
        fields = READ_BY[operation]().fields.items()
        # A field that refuses whatever is sent takes nothing, and the contract must not name it.
        taken = {name for name, field in fields if not isinstance(field, characters.VideoField)}
        files = {name for name in kinds if name == "multipart/form-data"}
        assert set.union(*kinds.values()) == taken, operation
        assert all(kinds[name] == taken for name in files), operation


def test_the_contract_has_every_role_that_a_clip_may_start_from(toy: Model, client: Client) -> None:
    assert set(ROLES) < bodies(client.get("/v1/openapi.json").json())["createVideo"]["multipart/form-data"]


@pytest.mark.parametrize("way", ["application/json", "multipart"])
@pytest.mark.parametrize(("name", "meant"), OF_OTHER_APIS.items())
def test_what_other_apis_call_it_is_refused_with_our_name(
    toy: Model, alice: Visitor, client_of: ClientOf, name: str, meant: str, way: str
) -> None:
    body: Any = {"prompt": "a fox", name: "4"}
    browser = client_of(alice)
    answer = browser.post("/v1/videos", body) if way == "multipart" else post(browser, "/v1/videos", body)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["error"]["param"]) == (422, "unknown_field", name)
    assert (f"Did you mean '{meant}'?" if meant else "Leave it out.") in problem["detail"]
    assert not Generation.objects.exists()
    assert not Hold.objects.exists()


@pytest.mark.parametrize("name", ["input_reference[url]", "image[url]", "video[url]"])
def test_what_is_nested_in_a_form_is_read_too(toy: Model, alice: Visitor, client_of: ClientOf, name: str) -> None:
    answer = client_of(alice).post("/v1/videos", {"prompt": "a fox", name: "https://example.com/a.png"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_field")
    assert "multipart/form-data" in answer.json()["detail"]
    assert not Generation.objects.exists()


@pytest.mark.parametrize("said", ["ftp://example.com/a.mp4", {"id": "video_123"}])
def test_what_is_no_id_of_a_clip_is_told_how_to_send_it(
    toy: Model, alice: Visitor, client_of: ClientOf, said: Any
) -> None:
    problem = post(client_of(alice), "/v1/videos/edits", {"prompt": "a fox", "video": said}).json()
    assert (problem["code"], problem["error"]["param"]) == ("invalid_video", "video")
    assert "a data URI, or the id of a finished clip of yours." in problem["detail"]


@pytest.mark.parametrize("role", ["image", "input_reference", "video"])
def test_what_a_clip_would_start_from_is_not_left_out_for_being_empty(
    toy: Model, alice: Visitor, client_of: ClientOf, role: str, subtests: pytest.Subtests
) -> None:
    """A program whose variable holds nothing would pay for a clip of the text alone. ``null`` says that there is none,
    and so does a form's field for a file in which nobody chose one."""
    browser = client_of(alice)
    empty: tuple[Any, ...] = ("", {}, [], False, 0, {"id": ""}, {"id": None}, " ")
    for said in empty:
        with subtests.test(said=said):
            problem = post(browser, "/v1/videos", {"prompt": "a fox", role: said}).json()
            assert problem["error"]["param"] == role
            assert not Generation.objects.exists()
    assert post(browser, "/v1/videos", {"prompt": "a fox", role: None}).status_code == 200
    assert browser.post("/v1/videos", {"prompt": "a fox", role: ""}).status_code == 200


@pytest.mark.parametrize("said", ["", "null", " "])
def test_an_empty_word_on_who_sees_a_clip_is_not_the_teams_default(
    toy: Model, alice: Visitor, client_of: ClientOf, said: str
) -> None:
    answer = post(client_of(alice), "/v1/videos", {"prompt": "a fox", "private": said})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_private")
    assert not Generation.objects.exists()


def test_two_files_for_one_role_are_refused(alice: Visitor, client_of: ClientOf, db: None) -> None:
    factories.model(modes=["text", "image"])
    browser = client_of(alice)
    twice = browser.post("/v1/videos", {"prompt": "a fox", "image": [picture_file(), picture_file()]})
    by_two_names = browser.post(
        "/v1/videos", {"prompt": "a fox", "image": picture_file(), "input_reference": picture_file()}
    )
    for answer in (twice, by_two_names):
        assert (answer.status_code, answer.json()["code"]) == (422, "repeated_field")
    assert not Generation.objects.exists()


def test_what_the_address_says_is_not_said_again(alice: Visitor, client_of: ClientOf, db: None) -> None:
    factories.model("cog", family="cogvideox", modes=["text", "restyle"], sizes=["96x64"])
    clip, browser = finished(alice, model="cog"), client_of(alice)
    edited = post(browser, "/v1/videos/edits", {"prompt": "x", "video": str(clip.id), "mode": "text"})
    remixed = post(browser, f"/v1/videos/{clip.id}/remix", {"prompt": "x", "video": str(clip.id)})
    changed = post(browser, f"/v1/videos/{clip.id}", {"private": False, "title": "x"})
    for answer, name in ((edited, "mode"), (remixed, "video"), (changed, "title")):
        assert (answer.status_code, answer.json()["error"]["param"]) == (422, name), answer.text


def test_what_stands_in_the_address_of_a_post_is_refused(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    answer = post(client_of(alice), "/v1/videos?seconds=99&n=4", {"prompt": "a fox"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_field")
    assert answer.json()["error"]["param"] == "seconds"
    assert not Generation.objects.exists()


def test_a_cancellation_takes_nothing_else(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    made, other = (factories.submitted(alice.workspace) for _ in range(2))
    browser = client_of(alice)
    refused = post(browser, f"/v1/videos/{made.id}/cancel", {"refund": True})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_field")
    assert Generation.objects.get(id=made.id).is_open
    assert post(browser, f"/v1/videos/{made.id}/cancel", {}).status_code == 200
    assert browser.post(f"/v1/videos/{other.id}/cancel", b"", content_type="text/plain").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        '{"prompt": "a fox", "seconds": 2, "seconds": 9}',
        '{"prompt": {"a": 1, "a": 2}}',
        r'{"\ud800": 1, "\ud800": 2}',  # which no UTF-8 has
    ],
)
def test_a_name_that_comes_twice_is_refused(toy: Model, alice: Visitor, client_of: ClientOf, body: str) -> None:
    answer = client_of(alice).post("/v1/videos", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (422, "repeated_field")
    assert not Generation.objects.exists()


def test_a_field_that_no_text_can_name_is_refused_all_the_same(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    answer = client_of(alice).post("/v1/videos", r'{"\ud800": 1}', content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_field")


def test_webhooks_are_read_whole_too() -> None:
    owner = people.person("owner@example.org")
    studio = people.team(owner, "Studio")
    _, text = api_keys.issue(workspace=studio, by=owner, allowed=BY_ROLE[Role.OWNER], name="k", scopes=["admin"])
    client = Client(headers={"Authorization": f"Bearer {text}"})
    body = {"name": "n", "url": "https://a.example/", "event_types": [], "eventTypes": ["video.completed"]}
    answer = post(client, "/v1/webhook_endpoints", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_field")
    assert "Did you mean 'event_types'?" in answer.json()["detail"]


def post(browser: Client, path: str, body: dict[str, Any]) -> Any:
    return browser.post(path, json.dumps(body), content_type="application/json")
