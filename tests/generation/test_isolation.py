"""What is one visitor's is nobody else's: every door answers a stranger as if there were nothing."""

from __future__ import annotations

from itertools import product
from urllib.parse import quote

import pytest
from django.test import Client

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation, State
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished

DOORS = [
    ("get", "/generations/{id}/"),
    ("get", "/generations/{id}/events/"),
    ("get", "/generations/{id}/clip.mp4"),
    ("get", "/generations/{id}/poster.jpg"),
    ("post", "/generations/{id}/cancel/"),
    ("get", "/history/?before={id}"),
    ("get", "/v1/videos/{id}"),
    ("get", "/v1/videos/{id}/events"),
    ("get", "/v1/videos/{id}/content"),
    ("post", "/v1/videos/{id}/cancel"),
]


def test_a_stranger_finds_nothing(
    toy: Model, alice: Visitor, bob: Visitor, client: Client, client_of: ClientOf, subtests: pytest.Subtests
) -> None:
    generation = finished(alice)
    strangers = {"another visitor": client_of(bob), "nobody": client}
    for (method, address), who in product(DOORS, strangers):
        with subtests.test(method=method, address=address, who=who):
            ask = getattr(strangers[who], method)
            asked = address.format(id=generation.id)
            answer = ask(asked)
            missing = ask(address.format(id="00000000-0000-4000-8000-000000000000"))
            assert answer.status_code == missing.status_code == 404
            # All that comes back is the address that was asked for, for whoever signs in to see it.
            assert str(generation.id) not in answer.text.replace(f"?next={quote(asked, safe='')}", "")
            assert generation.prompt not in answer.text
    generation.refresh_from_db()
    assert generation.state == "succeeded"


@pytest.mark.parametrize("cookie", ["", "x", "a:b:c", "00000000-0000-4000-8000-000000000000"])
def test_a_forged_cookie_is_no_visitor(toy: Model, alice: Visitor, cookie: str) -> None:
    generation: Generation = finished(alice)
    forger = Client()
    forger.cookies["visitor"] = cookie
    assert forger.get(f"/generations/{generation.id}/").status_code == 404


def test_a_suspended_workspace_reaches_nothing(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    generation = finished(alice)
    alice.workspace.suspended_at = generation.created_at
    alice.workspace.save(update_fields=["suspended_at"])
    answer = client_of(alice).get(f"/generations/{generation.id}/")
    assert answer.status_code == 403
    assert "suspended" in answer.text
    assert generation.prompt not in answer.text


def test_worker_addresses_are_signed_and_name_one_file(toy: Model, alice: Visitor, client: Client) -> None:
    from django.core import signing
    from django.core.files.storage import default_storage

    from generation.storage import files

    generation = finished(alice)
    Generation.objects.filter(id=generation.id).update(state=State.RUNNING)
    token = signing.dumps(
        [files.key(generation, files.CLIP), 1_000, generation.attempt], salt="generation.files.upload"
    )
    assert client.put(f"/worker/files/{token}", b"new clip", content_type="video/mp4").status_code == 204
    with default_storage.open(files.key(generation, files.CLIP)) as stored:
        assert stored.read() == b"new clip"
    assert client.get(f"/worker/files/{token}").status_code == 404  # writing is not reading, nor the other way round
    readable = signing.dumps(files.key(generation, files.CLIP), salt="generation.files.download")
    assert b"".join(client.get(f"/worker/files/{readable}").streaming_content) == b"new clip"  # type: ignore[attr-defined]
    assert client.put(f"/worker/files/{readable}", b"no", content_type="video/mp4").status_code == 404
    assert client.put(f"/worker/files/{token}x", b"no", content_type="video/mp4").status_code == 404
    wrong = signing.dumps(files.key(generation, files.CLIP), salt="another purpose")
    assert client.put(f"/worker/files/{wrong}", b"no", content_type="video/mp4").status_code == 404
