"""The API's contract says what the API does, and every answer keeps to it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from accounts import api_keys
from accounts.models import Visitor
from accounts.roles import BY_ROLE, Role
from catalog.models import Model
from generation.api import reference
from generation.webhooks.models import Delivery, Endpoint
from generation.webhooks.video_events import TYPES
from gpu_worker.families import ROLES
from tests.accounts import factories as people
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished
from tests.route_access import addresses


@pytest.fixture
def contract(toy: Model, client: Client) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/v1/openapi.json").json()
    return document


def complaints(contract: dict[str, Any], kind: str, answer: Any) -> list[str]:
    schema = {"$ref": f"#/components/schemas/{kind}", "components": contract["components"]}
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(answer)]


def test_it_is_an_openapi_document(contract: dict[str, Any]) -> None:
    validate(contract)


def test_every_route_of_the_api_is_in_it_and_nothing_else(contract: dict[str, Any]) -> None:
    assert set(contract["paths"]) == {f"/{address}" for address in addresses() if address.startswith("v1/")}


def test_it_names_what_the_catalogue_offers_now(contract: dict[str, Any], client: Client) -> None:
    factories.model("newcomer", is_default=False, sizes=["128x128"])
    asked = client.get("/v1/openapi.json").json()["components"]["schemas"]["Ask"]["properties"]
    assert asked["model"]["examples"] == ["default", "newcomer", "toy"]
    assert asked["size"]["examples"] == ["128x128", "192x128", "96x64"]
    assert not any("enum" in field for field in asked.values()), "the catalogue is frozen into generated clients"


def test_what_is_uploaded_or_downloaded_is_binary_to_generated_clients(contract: dict[str, Any]) -> None:
    asked = contract["components"]["schemas"]["AskWithFiles"]["properties"]
    for name in (*ROLES, "input_reference"):
        choices = asked[name].get("oneOf", [asked[name]])
        assert choices[0]["format"] == "binary", name
    sent = contract["paths"]["/v1/videos/{generation_id}/content"]["get"]["responses"]["200"]["content"]
    assert {kind: said["schema"]["format"] for kind, said in sent.items()} == dict.fromkeys(sent, "binary")
    assert asked["prompt"]["minLength"] == 1


def test_answers_keep_to_it(contract: dict[str, Any], alice: Visitor, client_of: ClientOf) -> None:
    client = client_of(alice)
    done = client.get(f"/v1/videos/{finished(alice).id}").json()
    waiting = client.post("/v1/videos", {"prompt": "a fox"}, content_type="application/json").json()
    stopped = client.post(f"/v1/videos/{waiting['id']}/cancel").json()
    for video in (done, waiting, stopped, *client.get("/v1/videos").json()["data"]):
        assert complaints(contract, "Video", video) == []
    assert "queue" in waiting["lm"]
    quoted = client.post("/v1/quotes", {"prompt": "a fox"}, content_type="application/json").json()
    assert complaints(contract, "Quote", quoted) == []
    for model in client.get("/v1/models").json()["data"]:
        assert complaints(contract, "Model", model) == []
    for refused in (client.get("/v1/videos?limit=0"), client.get("/v1/models/none"), client.post("/v1/videos", {})):
        assert complaints(contract, "Problem", refused.json()) == []


def test_what_is_said_of_webhooks_keeps_to_it(contract: dict[str, Any]) -> None:
    owner = people.person("owner@example.org")
    studio = people.team(owner, "Studio")
    _, text = api_keys.issue(workspace=studio, by=owner, allowed=BY_ROLE[Role.OWNER], name="k", scopes=["admin"])
    client = Client(headers={"Authorization": f"Bearer {text}"})
    endpoint = Endpoint.objects.create(workspace=studio, name="n", url="https://a.example/", event_types=[])
    now = timezone.now()
    Delivery.objects.create(
        endpoint=endpoint, event_id="e", event_type="video.completed", video_id=uuid4(), expires_at=now
    )
    (listed,) = client.get("/v1/webhook_endpoints").json()["data"]
    (delivery,) = client.get(f"/v1/webhook_endpoints/{endpoint.id}/deliveries").json()["data"]
    renewed = client.post(f"/v1/webhook_endpoints/{endpoint.id}/rotate_secret").json()
    for kind, answer in (("WebhookEndpoint", listed), ("WebhookEndpoint", renewed), ("WebhookDelivery", delivery)):
        assert complaints(contract, kind, answer) == []
    assert renewed["signing_secret"].startswith("whsec_")


def test_what_it_refuses_is_noticed(contract: dict[str, Any]) -> None:
    assert complaints(contract, "Video", {"object": "video"})


def test_the_page_shows_every_operation_and_the_sites_own_address(toy: Model, client: Client, settings: Any) -> None:
    settings.SITE_URL = "https://clips.example"
    page = client.get("/developers/").content.decode()
    assert "curl https://clips.example/v1/videos" in page
    assert all(f"{one.method} {one.path}" in page for one in reference.operations())


def test_an_agent_reads_the_models_and_every_operation_in_plain_text(toy: Model, client: Client, settings: Any) -> None:
    settings.SITE_URL = "https://clips.example"
    factories.model("unfinished", is_default=False)
    Model.objects.filter(slug="unfinished").update(status="disabled")
    Model.objects.filter(id=toy.id).update(summary="Clips for <anybody> & all.")
    answer = client.get("/llms.txt")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith("# LoreMotion\n\n> ")
    assert "- `toy` (also default): Clips for <anybody> & all.\n" in answer.text
    assert "unfinished" not in answer.text
    assert "(https://clips.example/v1/openapi.json)" in answer.text
    assert all(f"- `{one.method} {one.path}`: " in answer.text for one in reference.operations())


def test_the_pages_examples_name_the_default_model(toy: Model, client: Client) -> None:
    first = factories.model("another", is_default=False)
    Model.objects.filter(id=first.id).update(position=toy.position - 1)
    assert "-F model=toy " in client.get("/developers/").text


def test_the_site_itself_says_how_a_signature_is_checked(toy: Model, client: Client, contract: dict[str, Any]) -> None:
    page = client.get("/developers/webhooks/").content.decode()
    assert "Webhook(&quot;whsec_…&quot;).verify(request.body, request.headers)" in page
    assert all(f"<code>{event}</code>" in page for event in TYPES)
    assert "/developers/webhooks/" in next(tag for tag in contract["tags"] if tag["name"] == "Webhooks")["description"]
    assert 'href="/developers/webhooks/"' in client.get("/developers/").content.decode()
