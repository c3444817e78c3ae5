"""What stands behind the ? of an address is heeded or refused by name, whatever is asked."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts import api_keys
from accounts.models import Workspace
from accounts.roles import BY_ROLE, Role
from billing import ledger
from catalog.models import Model
from generation.api.events import ENDED
from generation.models import Generation
from generation.settlement import settle
from generation.webhooks.models import Endpoint
from tests.accounts import factories as people
from tests.generation import factories


@pytest.fixture
def studio(toy: Model) -> Workspace:
    made = people.team(people.person("owner@example.org"), "Studio")
    ledger.grant(account=made.id, reference=f"test:{made.id}", amount=400, kind=ledger.LotKind.PACK)
    return made


@pytest.fixture
def program(studio: Workspace) -> Client:
    """Sends a key that may do everything."""
    owner = studio.memberships.get(role=Role.OWNER).user
    scopes = ["admin", "generate", "read"]
    _, text = api_keys.issue(workspace=studio, by=owner, allowed=BY_ROLE[Role.OWNER], name="k", scopes=scopes)
    return Client(headers={"Authorization": f"Bearer {text}"})


@pytest.fixture
def clip(studio: Workspace) -> Generation:
    generation = factories.submitted(studio)
    factories.deliver_clip(generation)
    settle.settle(factories.report(generation))
    return generation


@pytest.fixture
def hook(studio: Workspace) -> Endpoint:
    return Endpoint.objects.create(workspace=studio, name="n", url="https://hooks.example.org/", event_types=[])


LEFT_OUT = {
    "/v1/models?mode=image": "mode",
    "/v1/models/toy?expand=prices": "expand",
    "/v1/webhook_endpoints?limit=5": "limit",
    "/v1/webhook_event_types?after=x": "after",
    "/v1/webhook_endpoints/{hook}?secret=1": "secret",
    "/v1/webhook_endpoints/{hook}/deliveries?state=failed": "state",
    "/v1/videos/{clip}?include=receipt": "include",
    "/v1/videos/{clip}/content?varaint=thumbnail": "varaint",
    "/v1/videos/{clip}/content?variant=thumbnail&variant=video": "variant",
    "/v1/videos/{clip}/events?after=1-0": "after",
    "/v1/openapi.json?x=1": "x",
    "/v1/videos?user_ref=%ff": "user_ref",
    "/v1/usage?since=%ff": "since",
    "/v1/me?%ff=1": "\N{REPLACEMENT CHARACTER}",
}


def test_nothing_that_is_read_leaves_a_parameter_out_in_silence(
    program: Client, clip: Generation, hook: Endpoint, subtests: pytest.Subtests
) -> None:
    for address, parameter in LEFT_OUT.items():
        with subtests.test(address=address):
            answer = program.get(address.format(clip=clip.id, hook=hook.id))
            assert (answer.status_code, answer.json()["error"]["param"]) == (422, parameter)


def test_a_deletion_that_says_more_than_its_address_deletes_nothing(
    program: Client, clip: Generation, hook: Endpoint
) -> None:
    for address in (f"/v1/videos/{clip.id}", f"/v1/webhook_endpoints/{hook.id}"):
        assert program.delete(f"{address}?dry_run=true").status_code == 422
        assert program.get(address).json()["id"] in address


def test_a_stream_resumes_after_the_parameter_that_polyfills_send_for_the_header(
    program: Client, clip: Generation
) -> None:
    assert program.get(f"/v1/videos/{clip.id}/events?lastEventId={ENDED}").status_code == 204
