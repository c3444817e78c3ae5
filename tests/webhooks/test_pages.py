"""Endpoints as their owners see to them: on pages, by API, and with everything else of the workspace."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import api_keys, exports, workspaces
from accounts.caller import Caller
from accounts.models import AuditEntry, User, Workspace
from accounts.roles import BY_ROLE, Role
from generation.models import Generation
from generation.pages.webhooks import SHOWN_IN_LIST
from generation.settlement import notifications
from generation.webhooks import endpoints
from generation.webhooks.models import Delivery, Endpoint
from loremotion.outbox.models import MailMessage, State
from tests.accounts.factories import browser_of, person
from tests.generation import factories as generations
from tests.webhooks.receiver import Receiver
from tests.webhooks.steps import finished, work

pytestmark = pytest.mark.django_db

ADDRESS = "/workspace/webhooks/"


@pytest.fixture
def browser(alice: User, studio: Workspace) -> Client:
    return browser_of(alice, studio)


@pytest.fixture
def program(alice: User, studio: Workspace) -> Client:
    """Holds a key with the scope for it."""
    allowed = BY_ROLE[Role.OWNER]
    _, text = api_keys.issue(workspace=studio, by=alice, allowed=allowed, name="k", scopes=["admin"])
    return Client(headers={"Authorization": f"Bearer {text}"})


def secret_on(page: Any) -> str:
    found = re.search(r'id="new-secret">([^<]+)<', page.content.decode())
    assert found is not None
    return found[1]


def events(studio: Workspace) -> list[str]:
    found = AuditEntry.objects.filter(workspace=studio, event__startswith="webhook.")
    return list(found.order_by("id").values_list("event", flat=True))


# --- pages --------------------------------------------------------------------------------------------------------


def test_an_endpoint_is_made_and_its_secret_shown_this_once(
    browser: Client, studio: Workspace, receiver: Receiver
) -> None:
    form = {"name": "Ours", "url": receiver.url, "event_types": ["video.completed"]}
    page = browser.post(f"{ADDRESS}new/", form)
    assert page.status_code == 200
    secret = secret_on(page)
    endpoint = Endpoint.objects.get()
    for again in (browser.get(ADDRESS), browser.get(f"{ADDRESS}{endpoint.id}/")):
        assert receiver.url in again.content.decode()
        assert secret not in again.content.decode()
    finished(studio)
    work()
    assert receiver.heard[0].is_signed_with(secret)


@pytest.mark.parametrize("url", ["http://127.0.0.1:6379/", "https://169.254.169.254/latest/", "https://[::1]/", "x"])
def test_an_address_within_is_refused_at_the_form_and_says_why(browser: Client, url: str) -> None:
    page = browser.post(f"{ADDRESS}new/", {"name": "Ours", "url": url, "event_types": ["video.completed"]})
    assert page.status_code == 422
    assert 'id="id_url_problem"' in page.content.decode()
    assert not Endpoint.objects.exists()


def test_everything_that_changes_it_is_in_the_audit_log(
    browser: Client, studio: Workspace, endpoint: Endpoint, receiver: Receiver
) -> None:
    own = f"{ADDRESS}{endpoint.id}/"
    form = {"name": "Theirs", "url": receiver.url, "event_types": ["video.failed"]}
    assert browser.post(f"{own}change/", form).status_code == 302
    assert secret_on(browser.post(f"{own}rotate/")).startswith("whsec_")
    assert browser.post(f"{own}switch/", {"to": "off"}).status_code == 302
    assert not Endpoint.objects.get().is_enabled
    assert browser.post(f"{own}switch/", {"to": "on"}).status_code == 302
    assert Endpoint.objects.get().is_enabled
    assert browser.post(f"{own}delete/").status_code == 302
    assert not Endpoint.objects.exists()
    assert events(studio) == [
        f"webhook.{verb}" for verb in ("created", "changed", "rotated", "disabled", "enabled", "deleted")
    ]


def test_a_test_says_how_it_went_and_stands_in_the_list(
    browser: Client, endpoint: Endpoint, receiver: Receiver
) -> None:
    receiver.statuses = [418]
    page = browser.post(f"{ADDRESS}{endpoint.id}/test/", {"event_type": "video.failed"}, follow=True).content.decode()
    assert "It answered 418." in page
    assert "heard you" in page


def test_what_went_wrong_is_shown_and_sent_again(
    browser: Client, studio: Workspace, endpoint: Endpoint, receiver: Receiver
) -> None:
    receiver.statuses = [500, 200]
    finished(studio)
    work()
    assert "It answered 500." in browser.get(f"{ADDRESS}{endpoint.id}/").content.decode()
    delivery = Delivery.objects.get()
    assert browser.post(f"{ADDRESS}deliveries/{delivery.pk}/again/").status_code == 302
    assert work() == 1


def test_an_answer_is_shown_as_text(browser: Client, studio: Workspace, endpoint: Endpoint) -> None:
    finished(studio)
    Delivery.objects.update(last_answer="<script>alert(1)</script>", last_status=500)
    assert "<script>alert(1)" not in browser.get(f"{ADDRESS}{endpoint.id}/").content.decode()


def test_the_pages_take_as_many_queries_for_many_as_for_one(
    browser: Client, studio: Workspace, endpoint: Endpoint
) -> None:
    def queries(address: str) -> int:

        browser.get(address)
        with CaptureQueriesContext(connection) as seen:
            browser.get(address)
        return len(seen)

    finished(studio)
    addresses = (ADDRESS, f"{ADDRESS}{endpoint.id}/")
    few = [queries(address) for address in addresses]
    for number in range(4):
        endpoints.create(
            workspace=studio, actor="a", name=str(number), url=endpoint.url, event_types=["video.completed"]
        )
        finished(studio)
    assert [queries(address) for address in addresses] == few


# --- API ------------------------------------------------------------------------------------------------------------


def post(client: Client, address: str, **body: Any) -> Any:
    return client.post(address, json.dumps(body), content_type="application/json")


def test_the_api_speaks_as_openais_client_reads(program: Client, receiver: Receiver) -> None:
    made = post(
        program, "/v1/webhook_endpoints", name="Ours", url=receiver.url, event_types=["video.completed", "video.failed"]
    ).json()
    assert (made["object"], made["name"], made["url"]) == ("webhook_endpoint", "Ours", receiver.url)
    assert made["signing_secret"].startswith("whsec_")
    assert made["signing_secret"].endswith(made["signing_secret_hint"][-5:])
    address = f"/v1/webhook_endpoints/{made['id']}"
    known = program.get(address).json()
    assert "signing_secret" not in known
    assert {*known} >= {"id", "created_at", "event_types", "name", "object", "url", "updated_at"}
    listed = program.get("/v1/webhook_endpoints").json()
    assert (listed["data"], listed["has_more"], listed["first_id"]) == ([known], False, made["id"])

    changed = post(program, address, name="Theirs").json()
    assert (changed["name"], changed["url"]) == ("Theirs", receiver.url)
    tested = post(program, f"{address}/test", event_type="video.failed").json()
    assert tested == {
        "object": "webhook_endpoint.test",
        "webhook_endpoint_id": made["id"],
        "event_type": "video.failed",
        "success": True,
        "status_code": 200,
    }
    rotated = post(program, f"{address}/rotate_secret", keep_old_secret_active_for_24_hours=True).json()
    assert rotated["signing_secret"] != made["signing_secret"]
    assert program.delete(address).json() == {"id": made["id"], "object": "webhook_endpoint.deleted", "deleted": True}
    assert program.get(address).status_code == 404


@pytest.mark.parametrize("is_wanted", [True, False])
def test_an_endpoint_is_made_switched_on_or_off_as_asked(program: Client, receiver: Receiver, is_wanted: bool) -> None:
    body: dict[str, Any] = {"name": "x", "url": receiver.url, "event_types": ["video.completed"], "enabled": is_wanted}
    made = post(program, "/v1/webhook_endpoints", **body).json()
    assert (made["lm"]["enabled"], made["lm"]["disabled_because"]) == (is_wanted, None)
    assert Endpoint.objects.get(id=made["id"]).is_enabled is is_wanted


def test_deliveries_are_read_and_sent_again_by_api(
    program: Client, studio: Workspace, endpoint: Endpoint, receiver: Receiver
) -> None:
    receiver.statuses = [500, 200]
    generation = finished(studio)
    work()
    [row] = program.get(f"/v1/webhook_endpoints/{endpoint.id}/deliveries").json()["data"]
    assert (row["video_id"], row["status_code"], row["answer"]) == (str(generation.id), 500, "heard you")
    assert row["state"] == "waiting"
    again = post(program, f"/v1/webhook_deliveries/{row['id']}/redeliver")
    assert again.status_code == 200
    assert work() == 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": "x", "url": "https://10.0.0.1/", "event_types": ["video.completed"]}, "url"),
        ({"name": "x", "url": "https://example.org/", "event_types": ["batch.completed"]}, "event_types"),
        ({"name": "x", "url": "https://example.org/", "event_types": []}, "event_types"),
        ({"name": "x", "url": "https://example.org/", "event_types": "video.completed"}, "event_types"),
        ({"name": " ", "url": "https://example.org/", "event_types": ["video.completed"]}, "name"),
        ({"url": "https://example.org/", "event_types": ["video.completed"]}, "name"),
    ],
)
def test_bad_input_names_the_field(
    program: Client, body: dict[str, Any], param: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loremotion.outbound.by_dns", lambda host, port: [host if host[0] == "1" else "93.184.216.34"])
    answer = post(program, "/v1/webhook_endpoints", **body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param)


def test_an_endpoint_that_cannot_be_reached_says_so_when_tested(
    program: Client, endpoint: Endpoint, settings: Any
) -> None:
    settings.WEBHOOK_PRIVATE_NETWORKS = []
    answer = post(program, f"/v1/webhook_endpoints/{endpoint.id}/test", event_type="video.completed")
    assert (answer.status_code, answer.json()["code"]) == (422, "endpoint_unreachable")


def test_a_workspace_has_so_many_endpoints_and_no_more(
    studio: Workspace, program: Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "MOST_ENDPOINTS", 1)
    body: dict[str, Any] = {"name": "x", "url": receiver.url, "event_types": ["video.completed"]}
    assert post(program, "/v1/webhook_endpoints", **body).status_code == 200
    assert post(program, "/v1/webhook_endpoints", **body).status_code == 409


# --- taken along, erased --------------------------------------------------------------------------------------------


def test_an_export_has_endpoints_and_deliveries_and_no_secret(
    studio: Workspace, endpoint: Endpoint, secret: str
) -> None:
    generation = finished(studio)
    archive = zipfile.ZipFile(io.BytesIO(b"".join(exports.zip_export(Caller(studio, BY_ROLE[Role.OWNER])))))
    told = archive.read("webhooks.json").decode()
    [one] = json.loads(told)
    assert (one["url"], one["deliveries"][0]["video_id"]) == (endpoint.url, str(generation.id))
    assert secret not in told
    assert "sealed" not in told


def test_an_export_has_the_requests_for_mail_about_clips_that_its_reader_sees(studio: Workspace) -> None:
    maker = person("maker@example.org")
    clips = [generations.submitted(studio) for _ in range(2)]
    Generation.objects.filter(id=clips[0].id).update(is_private=True, made_by=maker)
    for clip in clips:
        notifications.request(clip, user=maker)
    for role, seen in ((Role.OWNER, clips), (Role.ADMIN, clips[1:])):
        archive = zipfile.ZipFile(io.BytesIO(b"".join(exports.zip_export(Caller(studio, BY_ROLE[role])))))
        told = json.loads(archive.read("notifications.json"))
        assert told == [{"generation_id": str(clip.id), "user__email": maker.email} for clip in seen]


def test_erasing_a_workspace_erases_what_it_wanted_to_be_told(studio: Workspace, endpoint: Endpoint) -> None:
    finished(studio)
    Delivery.objects.update(state=State.WAITING)
    workspaces.erase(studio)
    assert not Endpoint.objects.exists()
    assert not Delivery.objects.exists()
    assert not MailMessage.objects.exists()


def test_the_list_says_how_each_endpoint_s_latest_deliveries_went(
    browser: Client, studio: Workspace, endpoint: Endpoint
) -> None:
    quiet = Endpoint.objects.create(workspace=studio, name="Quiet", url=endpoint.url, event_types=["video.failed"])
    for number in range(SHOWN_IN_LIST + 2):
        Delivery.objects.create(
            endpoint=endpoint,
            event_id=f"evt-{number}",
            event_type="video.completed",
            state=State.SENT if number else State.DEAD,
            expires_at=timezone.now(),
        )
    listed = dict(browser.get(ADDRESS).context["endpoints"])
    assert [delivery.event_id for delivery in listed[endpoint]] == [
        f"evt-{number}" for number in range(SHOWN_IN_LIST + 1, 1, -1)
    ]
    assert listed[quiet] == []
