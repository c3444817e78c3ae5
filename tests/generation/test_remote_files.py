"""What a clip starts from, named instead of sent: by its address, or in a data URI."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from threading import Thread
from typing import Any, ClassVar

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory
from django.utils import timezone
from PIL import Image
from pytest_django import Settings

from accounts import networks
from accounts.models import Visitor, Workspace
from billing.shop.models import Plan
from generation.models import Generation
from generation.submission import remote_files, uploads
from gpu_worker.families import Kind
from loremotion import page_deadline
from tests.generation import factories
from tests.generation.conftest import ClientOf

pytestmark = pytest.mark.django_db


def picture() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def client(db: None, alice: Visitor, client_of: ClientOf) -> Client:
    factories.model(modes=["text", "image", "extend"])
    return client_of(alice)


class Pictures(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status = {"/moved.png": 302, "/gone.png": 404}.get(self.path, 200)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/fox.png")
        self.end_headers()
        if status == 200:
            self.wfile.write(picture())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def pictures(settings: Settings) -> Iterator[str]:
    """The address of a server of pictures, which may be asked."""
    settings.INPUT_PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]
    Pictures.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def make(client: Client, *, address: str = "/v1/videos", key: str = "", **asked: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    said = {"prompt": "a fox", **asked}
    return client.post(address, json.dumps(said), content_type="application/json", headers=headers)


def data_uri(content: bytes) -> str:
    return f"data:image/png;base64,{b64encode(content).decode()}"


@pytest.mark.parametrize("name", ["image", "input_reference"])
def test_a_picture_may_be_spelled_out(client: Client, name: str) -> None:
    made = make(client, **{name: data_uri(picture())})
    assert made.status_code == 200, made.json()
    generation = Generation.objects.get()
    assert (generation.mode, set(generation.inputs)) == ("image", {"image"})


def test_openais_way_to_name_a_picture_is_understood(client: Client) -> None:
    assert make(client, input_reference={"image_url": data_uri(picture())}).status_code == 200


def test_a_picture_is_fetched_from_its_address(client: Client, pictures: str) -> None:
    made = make(client, image=f"{pictures}/fox.png")
    assert made.status_code == 200, made.json()
    assert Generation.objects.get().mode == "image"


def test_a_data_uri_is_the_same_as_the_file(client: Client) -> None:
    first = make(client, key="k", image=data_uri(picture())).json()
    sent = {"prompt": "a fox", "image": SimpleUploadedFile("x.png", picture())}
    assert client.post("/v1/videos", sent, headers={"Idempotency-Key": "k"}).json()["id"] == first["id"]


def test_a_retry_finds_its_clip_though_the_address_has_run_out(client: Client, pictures: str) -> None:
    """Signed addresses last for minutes, keys for a day; and what lies at one may change."""
    first = make(client, key="k", image=f"{pictures}/fox.png?signed").json()
    assert Pictures.asked == ["/fox.png?signed"]
    again = make(client, key="k", image=f"{pictures}/fox.png?signed")
    assert (again.json()["id"], again["Idempotent-Replayed"]) == (first["id"], "true")
    assert len(Pictures.asked) == 1
    other = make(client, key="k", image=f"{pictures}/hen.png?signed")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(Pictures.asked) == 1


def test_a_quote_fetches_nothing(client: Client, pictures: str) -> None:
    assert make(client, address="/v1/quotes", image=f"{pictures}/fox.png").json()["mode"] == "image"
    assert Pictures.asked == []


def too_poor(alice: Visitor, settings: Settings) -> None:
    settings.FREE_DAILY_CREDITS = 0


def too_busy(alice: Visitor, settings: Settings) -> None:
    Plan.objects.update(open_clips=0)


def banned(alice: Visitor, settings: Settings) -> None:
    Workspace.objects.filter(id=alice.workspace_id).update(suspended_at=timezone.now())


CANNOT_BE_MADE: dict[str, dict[str, Any]] = {
    "prompt_refused": {"prompt": "hardcore porn"},
    "costs_more": {"max_credits": 0},
    "unknown_model": {"model": "no-such"},
    "invalid_seconds": {"seconds": 1_000},
    "invalid_image": {"mode": "text"},
    "invalid_prompt": {"prompt": " "},
}


def test_nothing_is_fetched_for_what_cannot_be_made(client: Client, pictures: str, subtests: pytest.Subtests) -> None:
    for code, asked in CANNOT_BE_MADE.items():
        with subtests.test(code=code):
            refused = make(client, image=f"{pictures}/fox.png", **asked)
            assert (refused.json()["code"], Pictures.asked) == (code, [])


@pytest.mark.parametrize(("who", "status"), [(too_poor, 402), (too_busy, 429), (banned, 403)])
def test_nothing_is_fetched_for_whoever_is_refused(
    db: None, client_of: ClientOf, settings: Settings, pictures: str, who: Callable[..., None], status: int
) -> None:
    factories.model(modes=["text", "image"])
    someone = factories.visitor()
    who(someone, settings)
    refused = make(client_of(someone), image=f"{pictures}/fox.png")
    assert (refused.status_code, Pictures.asked) == (status, [])


@pytest.mark.parametrize(
    ("path", "says"), [("/moved.png", "redirects"), ("/gone.png", "404"), ("/fox.png?", "larger than")]
)
def test_what_cannot_be_fetched_is_refused_with_the_reason(
    client: Client, pictures: str, path: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "larger" in says:
        monkeypatch.setitem(uploads.MAX_BYTES, Kind.PICTURE, 10)
    refused = make(client, image=pictures + path)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_image")
    assert says in refused.json()["detail"]
    assert not Generation.objects.exists()


@pytest.mark.parametrize("address", ["http://127.0.0.1/x.png", "https://169.254.169.254/latest", "https://user@a.b/"])
def test_no_address_leads_into_a_private_network(client: Client, settings: Settings, address: str) -> None:
    settings.WEBHOOK_PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]  # which are not for reading
    refused = make(client, image=address)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_image")


@pytest.mark.parametrize("uri", ["data:", "data:image/png;base64", "data:image/png;base64,***", "data:image/png,abc"])
def test_what_spells_out_no_picture_is_refused(client: Client, uri: str) -> None:
    refused = make(client, image=uri)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_image")


def test_one_workspace_does_not_keep_every_place_to_fetch(client: Client, alice: Visitor, pictures: str) -> None:
    taken = [
        remote_files._fetches.take(alice.workspace_id, most=remote_files.MOST_AT_ONCE)
        for _ in range(remote_files.MOST_AT_ONCE)
    ]
    refused = make(client, image=f"{pictures}/fox.png")
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_fetches")
    for slot in taken:
        slot.release()
    assert make(client, image=f"{pictures}/fox.png").status_code == 200


def test_the_workspaces_of_one_network_do_not_keep_every_place_to_fetch(
    client: Client, pictures: str, rf: RequestFactory
) -> None:
    network = networks.fingerprint_of(rf.get("/"))
    taken = [
        remote_files._fetches_of_networks.take(network, most=remote_files.MOST_OF_A_NETWORK)
        for _ in range(remote_files.MOST_OF_A_NETWORK)
    ]
    assert remote_files.MOST_OF_A_NETWORK < remote_files.MOST_IN_ALL
    assert make(client, image=f"{pictures}/fox.png").json()["code"] == "too_many_fetches"
    assert len(remote_files._fetches._taken) == 0  # the place that its workspace had
    taken.pop().release()
    assert make(client, image=f"{pictures}/fox.png").status_code == 200


def test_an_unknown_browser_fetches_nothing(client: Client, pictures: str) -> None:
    nobody = Client()
    nobody.get("/")
    assert make(nobody, address="/v1/quotes", image=f"{pictures}/fox.png").status_code == 422


def test_slow_addresses_do_not_add_up(client: Client, pictures: str) -> None:
    with page_deadline.within(0):
        refused = make(client, image=f"{pictures}/fox.png")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_image")
    assert "too long" in refused.json()["detail"]
