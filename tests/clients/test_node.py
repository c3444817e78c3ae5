"""Clients for Node, pointed at this site: OpenAI's own, and the standard's EventSource."""

from __future__ import annotations

import base64
import io
import json
from datetime import UTC, datetime

import pytest
from PIL import Image
from standardwebhooks import Webhook

from generation.models import Generation
from tests.clients.conftest import RunScript
from tests.generation import factories

pytestmark = pytest.mark.django_db(transaction=True)


def signed_event(secret: str) -> str:
    body, now = json.dumps({"id": "evt_1", "type": "video.completed", "data": {"id": "1"}}), datetime.now(UTC)
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("evt_1", now, body),
    }
    return json.dumps({"body": body, "headers": headers, "secret": secret})


def test_openais_client_for_node(run_script: RunScript, made: Generation) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (96, 64), "red").save(picture, "PNG")
    seen = run_script(
        "openai_node.mjs",
        MADE=str(made.id),
        HOOK=signed_event("whsec_" + base64.b64encode(b"k" * 32).decode()),
        PICTURE=base64.b64encode(picture.getvalue()).decode(),
    )
    created = Generation.objects.get(id=seen["created"]["id"])
    assert seen["created"] == {
        "id": str(created.id),
        "status": "queued",
        "seconds": f"{created.seconds:g}",
        "size": "96x64",
        "held": created.credits_quoted,
    }
    assert (seen["fromPicture"], seen["extended"]) == ("image", "extend")
    assert len(seen["listed"]) == 3
    assert (seen["retrieved"]["status"], seen["retrieved"]["progress"]) == ("completed", 100)
    assert base64.b64decode(seen["bytes"]) == factories.CLIP_BYTES
    assert seen["thumbnail"] == "image/jpeg"
    assert (seen["tooEarly"]["kind"], seen["tooEarly"]["code"]) == ("ConflictError", "not_ready")
    assert seen["byAddress"]["kind"] == "UnprocessableEntityError"
    assert seen["byAddress"]["param"] == "input_reference"
    assert (seen["wrongSize"]["kind"], seen["wrongSize"]["param"]) == ("UnprocessableEntityError", "size")
    assert seen["wrongKey"]["kind"] == "AuthenticationError"
    assert seen["unwrapped"]["type"] == "video.completed"
    assert seen["deleted"] == {"id": str(made.id), "object": "video.deleted", "deleted": True}


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")  # the test's server is no ASGI server
def test_an_event_source_hears_the_end_once_and_stops(run_script: RunScript, made: Generation) -> None:
    seen = run_script("event_source.mjs", MADE=str(made.id))
    assert [(video["id"], video["status"]) for video in seen["done"]] == [(str(made.id), "completed")]
    assert seen["answers"] == [200, 204]
