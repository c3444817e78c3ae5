"""The API under ``/v1/videos``."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import Visitor
from catalog import versions
from catalog.models import Model
from generation.api import views
from generation.models import Generation
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_pages import finished

ABSENT = "00000000-0000-4000-8000-000000000000"


def post(client: Client, **body: Any) -> Any:
    return client.post("/v1/videos", body, content_type="application/json")


def test_it_works(toy: Model, client: Client) -> None:
    answer = post(client, prompt="a fox", seconds=2, size="192x128", seed=5)
    video = answer.json()
    assert answer.status_code == 200
    assert (video["object"], video["status"], video["model"]) == ("video", "queued", "toy")
    assert (video["size"], video["seconds"]) == ("192x128", "2.125")
    assert video["lm"]["cost"] == {"quoted": 11, "held": 11, "charged": 0, "given_back": 0}
    assert video["lm"]["queue"]["position"] == 0
    assert client.get(f"/v1/videos/{video['id']}").json()["id"] == video["id"]


def test_a_clips_page_is_named_by_its_whole_address(toy: Model, client: Client, settings: Any) -> None:
    settings.SITE_URL = "https://clips.example"
    video = post(client, prompt="a fox").json()
    assert video["lm"]["page_url"] == f"https://clips.example/generations/{video['id']}/"


def test_multipart_works_as_json_does(toy: Model, client: Client) -> None:
    assert client.post("/v1/videos", {"prompt": "a fox", "seconds": "2"}).json()["status"] == "queued"


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 422, "prompt"),
        ({"prompt": ""}, 422, "prompt"),
        ({"prompt": "a", "model": "nope"}, 422, "model"),
        ({"prompt": "a", "seconds": "soon"}, 422, "seconds"),
        ({"prompt": "a", "size": "1x1"}, 422, "size"),
        ({"prompt": {"a": 1}}, 422, "prompt"),
        ([], 422, None),
    ],
)
def test_errors_name_the_field_in_both_dialects(
    toy: Model, client: Client, body: Any, status: int, param: str | None
) -> None:
    answer = client.post("/v1/videos", body, content_type="application/json")
    document = answer.json()
    assert answer.status_code == document["status"] == status
    assert answer["Content-Type"].startswith("application/problem+json")
    assert document["error"]["param"] == param
    assert document["error"]["message"] == document["detail"]
    assert not Generation.objects.exists()


def test_a_broken_body_is_a_clear_400(toy: Model, client: Client) -> None:
    answer = client.post("/v1/videos", "{", content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "parse_error"


def test_without_credits_it_is_402_and_not_worth_a_retry(toy: Model, client: Client, settings: Any) -> None:
    settings.FREE_DAILY_CREDITS = 1
    answer = post(client, prompt="a fox")
    assert answer.status_code == 402
    assert answer["x-should-retry"] == "false"


def test_list_pages_and_belongs_to_the_caller(toy: Model, alice: Visitor, bob: Visitor, client_of: ClientOf) -> None:
    mine = [finished(alice) for _ in range(3)]
    finished(bob)
    first = client_of(alice).get("/v1/videos?limit=2").json()
    assert [v["id"] for v in first["data"]] == [str(mine[2].id), str(mine[1].id)]
    assert first["has_more"]
    rest = client_of(alice).get(f"/v1/videos?limit=2&after={first['last_id']}").json()
    assert [v["id"] for v in rest["data"]] == [str(mine[0].id)]
    assert client_of(alice).get("/v1/videos?limit=0").status_code == 422


def test_content_ignores_what_accept_says(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    generation = finished(alice)
    answer = client_of(alice).get(f"/v1/videos/{generation.id}/content", headers={"Accept": "application/binary"})
    assert answer["Content-Type"] == "video/mp4"
    thumbnail = client_of(alice).get(f"/v1/videos/{generation.id}/content?variant=thumbnail")
    assert thumbnail["Content-Type"] == "image/jpeg"


def test_an_unknown_variant_is_refused_by_name(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    answer = client_of(alice).get(f"/v1/videos/{finished(alice).id}/content?variant=hologram")
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "variant")
    assert "hologram" in answer.json()["detail"]
    assert "Choose one of: video, thumbnail, spritesheet, spritesheet_vtt." in answer.json()["detail"]


def test_the_file_of_an_open_clip_is_not_ready(toy: Model, alice: Visitor, bob: Visitor, client_of: ClientOf) -> None:
    generation = factories.submitted(alice.workspace)
    address = f"/v1/videos/{generation.id}/content"
    answer = client_of(alice).get(address)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_ready")
    assert client_of(bob).get(address).status_code == 404
    client_of(alice).post(f"/v1/videos/{generation.id}/cancel")
    assert client_of(alice).get(address).json()["code"] == "not_made"


def test_nobody_says_when_while_no_machine_is_on(toy: Model, client: Client) -> None:
    queue = post(client, prompt="a fox").json()["lm"]["queue"]
    assert queue["eta_seconds"] is None
    assert "offline" in queue["reason"]


def test_cancel(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    generation = factories.submitted(alice.workspace)
    browser = client_of(alice)
    video = browser.post(f"/v1/videos/{generation.id}/cancel").json()
    assert (video["status"], video["error"]["code"]) == ("failed", "cancelled")
    assert video["lm"]["cost"]["given_back"] == generation.credits_quoted
    assert browser.post(f"/v1/videos/{generation.id}/cancel").status_code == 409


@pytest.mark.parametrize("headers", [{}, {"api-key": "lm_live_x"}], ids=["without", "by another name"])
@pytest.mark.parametrize("path", ["", f"/{ABSENT}", f"/{ABSENT}/content", f"/{ABSENT}/events"])
def test_a_forgotten_key_is_401(toy: Model, headers: dict[str, str], path: str) -> None:
    answers = [Client().get(f"/v1/videos{path}", headers=headers)]
    if not path:
        answers.append(Client(enforce_csrf_checks=True).post("/v1/videos", {"prompt": "a fox"}, headers=headers))
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (401, "missing_api_key")
        assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["", "/toy"])
def test_the_models_are_for_anybody_but_a_wrong_key(toy: Model, path: str) -> None:
    wrong = Client().get(f"/v1/models{path}", headers={"Authorization": "Bearer lm_live_wrong"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_api_key")
    assert Client().get(f"/v1/models{path}").status_code == 200


def test_callers_known_by_cookie_need_the_token(toy: Model) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies["csrftoken"] = "c" * 32
    answer = strict.post("/v1/videos", {"prompt": "a fox"}, content_type="application/json")
    assert answer.status_code == 403
    assert "X-CSRFToken" in answer.json()["detail"]


def test_the_list_may_begin_with_the_oldest(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    mine = [str(finished(alice).id) for _ in range(3)]
    client = client_of(alice)
    first = client.get("/v1/videos?order=asc&limit=2").json()
    assert [v["id"] for v in first["data"]] == mine[:2]
    rest = client.get(f"/v1/videos?order=asc&after={first['last_id']}").json()
    assert [v["id"] for v in rest["data"]] == mine[2:]
    assert client.get("/v1/videos?order=random").status_code == 422


def test_a_clip_is_continued_or_changed_by_the_model_that_made_it(
    db: None, alice: Visitor, client_of: ClientOf
) -> None:
    factories.model("other")
    factories.model("cog", is_default=False, family="cogvideox", modes=["text", "restyle"], sizes=["96x64"])
    factories.model("ltx", is_default=False, modes=["text", "extend"])
    client = client_of(alice)
    made = {slug: str(finished(alice, model=slug).id) for slug in ("cog", "ltx")}

    extended = post_to(client, "extensions", prompt="it lands", video={"id": made["ltx"]})
    assert (extended["model"], extended["lm"]["mode"]) == ("ltx", "extend")
    edited = post_to(client, "edits", prompt="in snow", video={"id": made["cog"]})
    assert (edited["model"], edited["lm"]["mode"]) == ("cog", "restyle")
    remixed = post_to(client, f"{made['cog']}/remix", prompt="in snow")
    assert (remixed["lm"]["mode"], remixed["remixed_from_video_id"]) == ("restyle", made["cog"])
    refused = post_to(client, f"{made['ltx']}/remix", prompt="in snow")
    assert refused["error"]["param"] == "model"  # nobody said a mode: the address does
    assert "restyle" in refused["detail"]


def test_what_the_clips_own_model_cannot_change_the_model_called_edit_does(
    toy: Model, alice: Visitor, client_of: ClientOf
) -> None:
    cog = factories.model("cog", is_default=False, family="cogvideox", modes=["text", "restyle"], sizes=["96x64"])
    made, client = finished(alice).id, client_of(alice)
    assert post_to(client, f"{made}/remix", prompt="in snow")["error"]["param"] == "model"
    versions.point_aliases(cog, ["edit"])
    for answer in (
        post_to(client, f"{made}/remix", prompt="in snow"),
        post_to(client, "edits", prompt="in rain", video={"id": str(made)}),
    ):
        assert (answer.get("model"), answer["lm"]["mode"]) == ("cog", "restyle")
    named = post_to(client, f"{made}/remix", prompt="in fog", model="toy")
    assert named["error"]["param"] == "model"


def test_a_retired_models_clip_is_changed_by_the_model_called_edit(
    toy: Model, alice: Visitor, client_of: ClientOf
) -> None:
    facts: dict[str, Any] = {"family": "cogvideox", "modes": ["text", "restyle"], "sizes": ["96x64"]}
    old, new = (factories.model(slug, is_default=False, **facts) for slug in ("cog", "cog2"))
    made, client = finished(alice, model="cog").id, client_of(alice)
    versions.point_aliases(new, ["edit"])
    Model.objects.filter(id=old.id).update(status=Model.Status.RETIRED)
    for answer in (
        post_to(client, f"{made}/remix", prompt="in snow"),
        post_to(client, "edits", prompt="in rain", video={"id": str(made)}),
    ):
        assert (answer.get("model"), answer["lm"]["mode"]) == ("cog2", "restyle")


@pytest.mark.parametrize(
    ("status", "eta", "pause"),
    [("queued", [4.0, 9.0], "2000"), ("queued", [60.0, 90.0], "15000"), ("queued", [900.0, 999.0], "30000"),
     ("queued", None, "2000"), ("in_progress", [60.0, 90.0], "2000")],
)  # fmt: skip
def test_who_is_deep_in_the_queue_is_told_to_ask_later(status: str, eta: list[float] | None, pause: str) -> None:
    video = {"status": status, "lm": {"queue": {"position": 3, "eta_seconds": eta, "reason": ""}}}
    assert views._as_it_stands(video)["openai-poll-after-ms"] == pause


def post_to(client: Client, path: str, **body: Any) -> Any:
    return client.post(f"/v1/videos/{path}", body, content_type="application/json").json()
