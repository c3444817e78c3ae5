"""Clips of a team that not all of it sees: in lists, pages, files, streams, exports, and what is made of them."""

from __future__ import annotations

import io
import json
import zipfile
from copy import copy
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.http import HttpResponseBase, StreamingHttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import api_keys
from accounts.caller import Caller
from accounts.models import ApiKey, AuditEntry, Membership, User, Workspace
from accounts.roles import BY_ROLE, Action, Role
from billing import ledger
from catalog.models import Model
from generation.api import listing
from generation.models import Generation
from generation.settlement import settle
from tests.accounts.factories import browser_of, person, team
from tests.generation import factories

SECRET = "a secret dragon"
DOORS = [
    ("get", "/generations/{id}/"), ("get", "/generations/{id}/events/"), ("get", "/generations/{id}/clip.mp4"),
    ("get", "/generations/{id}/poster.jpg"), ("get", "/history/?before={id}"), ("get", "/?again={id}"),
    ("get", "/v1/videos/{id}"), ("get", "/v1/videos/{id}/events"), ("get", "/v1/videos/{id}/content"),
    ("get", "/v1/videos?after={id}"), ("post", "/generations/{id}/cancel/"), ("post", "/generations/{id}/delete/"),
    ("post", "/generations/{id}/privacy/"), ("post", "/v1/videos/{id}/cancel"), ("post", "/v1/videos/{id}/remix"),
    ("post", "/v1/videos/{id}"), ("delete", "/v1/videos/{id}"),
]  # fmt: skip


@pytest.fixture
def people(db: None) -> dict[str, User]:
    return {name: person(f"{name}@example.org") for name in ("owner", "admin", "member", "viewer", "maker")}


@pytest.fixture
def studio(toy: Model, people: dict[str, User]) -> Workspace:
    made = team(people["owner"], plan="house", admin=people["admin"], member=people["member"], viewer=people["viewer"])
    Membership.objects.create(workspace=made, user=people["maker"], role=Role.MEMBER)
    ledger.grant(account=made.id, reference=f"test:{made.id}", amount=2_000, kind=ledger.LotKind.PACK)
    return made


@pytest.fixture
def browsers(studio: Workspace, people: dict[str, User]) -> dict[str, Client]:
    return {name: browser_of(user, studio) for name, user in people.items()}


def made_by(browser: Client, prompt: str = SECRET, **said: str) -> Generation:
    answer = browser.post("/generations/", {"prompt": prompt, **said})
    assert answer.status_code == 302, answer.text
    generation = Generation.objects.latest("created_at")
    factories.deliver_clip(generation)
    settle.settle(factories.report(generation))
    return Generation.objects.get(id=generation.id)


@pytest.fixture
def private(browsers: dict[str, Client]) -> Generation:
    return made_by(browsers["maker"], seen_by="maker")


def told(answer: HttpResponseBase) -> str:
    return "" if answer.streaming else answer.content.decode(errors="replace")  # type: ignore[attr-defined]


def key_of(studio: Workspace, by: User, *scopes: str) -> tuple[ApiKey, Client]:
    key, text = api_keys.issue(
        workspace=studio, by=by, allowed=BY_ROLE[Role.OWNER], name="k", scopes=list(scopes) or ["generate"]
    )
    return key, program(text)


def program(text: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {text}"})


def prompts(browser: Client) -> list[str]:
    listed = [video["prompt"] for video in browser.get("/v1/videos").json()["data"]]
    page = told(browser.get("/history/"))
    assert [prompt in page for prompt in listed] == [True] * len(listed)
    return listed


def test_it_works(private: Generation, browsers: dict[str, Client]) -> None:
    """Its maker and the owner see it, nobody else of the team does; and then it is shared."""
    assert {name for name, browser in browsers.items() if SECRET in told(browser.get("/history/"))} == {
        "maker",
        "owner",
    }
    page = told(browsers["maker"].get(f"/generations/{private.id}/"))
    assert "Only its maker and the owner of Studio can see this clip." in page
    assert browsers["maker"].post(f"/generations/{private.id}/privacy/", {"is_private": "no"}).status_code == 302
    assert all(SECRET in told(browser.get("/history/")) for browser in browsers.values())
    assert AuditEntry.objects.get(event="clip.shared").actor == "maker@example.org"


def test_others_of_the_team_find_nothing_anywhere(
    private: Generation,
    studio: Workspace,
    browsers: dict[str, Client],
    people: dict[str, User],
    subtests: pytest.Subtests,
) -> None:
    """As if it were not there, for members and for keys."""
    browsers["a key"] = key_of(studio, people["admin"], "read", "generate")[1]
    for method, address in DOORS:
        for name in ("admin", "member", "viewer", "a key"):
            if name == "a key" and "/v1/" not in address:
                continue
            with subtests.test(method=method, address=address, who=name):
                answer = getattr(browsers[name], method)(address.format(id=private.id))
                missing = getattr(browsers[name], method)(address.format(id=uuid4()))
                assert answer.status_code == missing.status_code
                assert answer.status_code in (403, 404) or address.startswith("/?again")
                assert SECRET not in told(answer)
    private.refresh_from_db()
    assert (private.is_private, private.state, private.deleted_at) == (True, "succeeded", None)


def test_it_is_in_no_list_and_on_no_page_of_others(private: Generation, browsers: dict[str, Client]) -> None:
    made_by(browsers["member"], "for everybody")
    for name in ("admin", "member", "viewer"):
        assert prompts(browsers[name]) == ["for everybody"]
        assert SECRET not in told(browsers[name].get("/"))
    assert prompts(browsers["maker"]) == prompts(browsers["owner"]) == ["for everybody", SECRET]


def test_nothing_is_made_of_anothers_private_clip(private: Generation, browsers: dict[str, Client]) -> None:
    asked = {"prompt": "steal it", "video": str(private.id)}
    for answer in (
        browsers["member"].post("/generations/", asked),
        browsers["member"].post("/v1/videos", asked, content_type="application/json"),
        browsers["member"].post("/v1/videos/edits", asked, content_type="application/json"),
    ):
        assert answer.status_code == 422
        assert "You have no finished clip with that id." in told(answer)


def test_the_same_idempotency_key_shows_nobody_anothers_private_clip(
    browsers: dict[str, Client], studio: Workspace
) -> None:
    sent = {"headers": {"Idempotency-Key": "1"}, "content_type": "application/json"}
    body = {"prompt": SECRET, "private": True}
    first = browsers["maker"].post("/v1/videos", body, **sent)  # type: ignore[arg-type]
    assert first.json()["lm"]["private"] is True
    assert browsers["maker"].post("/v1/videos", body, **sent).json()["id"] == first.json()["id"]  # type: ignore[arg-type]
    refused = browsers["member"].post("/v1/videos", body, **sent)  # type: ignore[arg-type]
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    retry = {"headers": {"x-stainless-retry-count": "1"}, "content_type": "application/json"}
    other = browsers["member"].post("/v1/videos", body, **retry)  # type: ignore[arg-type]
    assert other.json()["id"] != first.json()["id"]


def exported(browser: Client) -> zipfile.ZipFile:
    answer = browser.get("/data/export.zip")
    assert isinstance(answer, StreamingHttpResponse)

    async def pieces() -> list[bytes]:
        return [piece async for piece in answer.streaming_content]

    return zipfile.ZipFile(io.BytesIO(b"".join(async_to_sync(pieces)())))


def test_an_admins_export_leaves_it_out_and_the_owners_has_it(private: Generation, browsers: dict[str, Client]) -> None:
    made_by(browsers["member"], "for everybody")
    for name, expected in (("admin", ["for everybody"]), ("owner", [SECRET, "for everybody"])):
        archive = exported(browsers[name])
        assert [clip["prompt"] for clip in json.loads(archive.read("clips.json"))] == expected
        assert (f"clips/{private.id}.mp4" in archive.namelist()) == (name == "owner")


def test_the_team_says_how_clips_begin_and_its_maker_how_one_does(
    browsers: dict[str, Client], studio: Workspace
) -> None:
    assert not made_by(browsers["maker"]).is_private
    assert browsers["member"].post("/workspace/privacy/", {"is_private": "yes"}).status_code == 403
    assert browsers["admin"].post("/workspace/privacy/", {"is_private": "perhaps"}).status_code == 422
    assert browsers["admin"].post("/workspace/privacy/", {"is_private": "yes"}).status_code == 302
    assert AuditEntry.objects.get(event="workspace.privacy_changed").detail == {"new_clips_are_private": True}
    assert '<option value="maker" selected>' in told(browsers["maker"].get("/"))
    assert made_by(browsers["maker"]).is_private
    assert not made_by(browsers["maker"], seen_by="team").is_private
    for body, expected in (
        ({}, True),
        ({"private": None}, True),
        ({"private": False}, False),
        ({"private": True}, True),
    ):
        answer = browsers["maker"].post("/v1/videos", {"prompt": "x", **body}, content_type="application/json")
        assert answer.json()["lm"]["private"] is expected, body
        settle.cancel(Generation.objects.get(id=answer.json()["id"]))
    answer = browsers["maker"].post(
        "/v1/videos", {"prompt": "as a form"}
    )  # where a box that is not ticked says nothing
    assert answer.json()["lm"]["private"] is True


def test_only_who_made_it_and_the_owner_change_who_sees_it(browsers: dict[str, Client]) -> None:
    shared = made_by(browsers["maker"])
    for name in ("admin", "member", "viewer"):
        assert "Make it private" not in told(browsers[name].get(f"/generations/{shared.id}/"))
        assert browsers[name].post(f"/generations/{shared.id}/privacy/", {"is_private": "yes"}).status_code == 403
    for _ in range(2):
        browsers["owner"].post(f"/generations/{shared.id}/privacy/", {"is_private": "yes"})
    assert AuditEntry.objects.filter(event="clip.made_private").count() == 1  # twice is once
    assert browsers["member"].get(f"/generations/{shared.id}/").status_code == 404
    assert browsers["maker"].post(f"/generations/{shared.id}/privacy/", {"is_private": "no"}).status_code == 302


def test_where_one_person_is_alone_nothing_is_private(toy: Model, people: dict[str, User]) -> None:
    browser = browser_of(people["maker"])
    assert "Who sees it" not in told(browser.get("/"))
    generation = made_by(browser, seen_by="maker")
    assert not generation.is_private
    assert browser.post(f"/generations/{generation.id}/privacy/", {"is_private": "yes"}).status_code == 409


def test_who_leaves_takes_nothing_along_and_finds_it_on_return(
    private: Generation, browsers: dict[str, Client], studio: Workspace, people: dict[str, User]
) -> None:
    Membership.objects.get(workspace=studio, user=people["maker"]).delete()
    assert browsers["maker"].get(f"/generations/{private.id}/").status_code == 404
    assert browsers["owner"].get(f"/generations/{private.id}/").status_code == 200
    Membership.objects.create(workspace=studio, user=people["maker"], role=Role.VIEWER)
    assert browsers["maker"].get(f"/generations/{private.id}/").status_code == 200


def test_what_a_key_made_privately_its_successor_sees_and_who_manages_keys(
    studio: Workspace, browsers: dict[str, Client], people: dict[str, User]
) -> None:
    key, first = key_of(studio, people["admin"])
    _, another = key_of(studio, people["owner"])
    answer = first.post("/v1/videos", {"prompt": SECRET, "private": True}, content_type="application/json")
    address = f"/v1/videos/{answer.json()['id']}"
    successor, text = api_keys.rotate(key=key, by=people["owner"], allowed=BY_ROLE[Role.OWNER])
    _, last = api_keys.rotate(key=successor, by=people["owner"], allowed=BY_ROLE[Role.OWNER])
    assert [caller.get(address).status_code for caller in (first, program(text), program(last))] == [200] * 3
    assert another.get(address).status_code == 404
    assert another.get("/v1/videos").json()["data"] == []
    seen = {name for name, browser in browsers.items() if browser.get(address).status_code == 200}
    assert seen == {"owner", "admin"}


def change(caller: Client, video: str, **said: Any) -> HttpResponseBase:
    return caller.post(f"/v1/videos/{video}", said, content_type="application/json")


def test_the_api_changes_it_for_whom_the_page_does(private: Generation, browsers: dict[str, Client]) -> None:
    video = str(private.id)
    assert change(browsers["member"], video, private=False).status_code == 404
    answer = change(browsers["maker"], video, private=False)
    assert (answer.status_code, answer.json()["lm"]["private"]) == (200, False)  # type: ignore[attr-defined]
    for name in ("admin", "member", "viewer"):
        assert change(browsers[name], video, private=True).status_code == 403
    for name in ("owner", "maker"):
        assert change(browsers[name], video, private=True).status_code == 200
    assert AuditEntry.objects.filter(event="clip.made_private").count() == 1  # twice is once
    refused = change(browsers["maker"], video)
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "private")  # type: ignore[attr-defined]


def test_a_key_changes_what_its_line_made_and_nothing_else(
    studio: Workspace, browsers: dict[str, Client], people: dict[str, User]
) -> None:
    key, first = key_of(studio, people["owner"])
    _, another = key_of(studio, people["owner"])
    _, reading = key_of(studio, people["owner"], "read")
    video = first.post("/v1/videos", {"prompt": SECRET}, content_type="application/json").json()["id"]
    _, text = api_keys.rotate(key=key, by=people["owner"], allowed=BY_ROLE[Role.OWNER])
    for caller in (another, reading):
        assert change(caller, video, private=True).status_code == 403
    for caller in (first, program(text)):
        assert change(caller, video, private=True).status_code == 200
        assert another.get(f"/v1/videos/{video}").status_code == 404
        assert change(caller, video, private=False).status_code == 200
    assert change(another, str(made_by(browsers["maker"]).id), private=True).status_code == 403
    assert AuditEntry.objects.filter(event="clip.shared").latest("id").actor.startswith("key lm_live_")


def test_where_one_person_is_alone_the_api_says_so(toy: Model, people: dict[str, User]) -> None:
    browser = browser_of(people["maker"])
    assert change(browser, str(made_by(browser).id), private=True).status_code == 409


def test_a_rotated_key_goes_on_with_what_is_left_of_its_cap(studio: Workspace, people: dict[str, User]) -> None:
    key, first = key_of(studio, people["owner"])
    body: dict[str, Any] = {"data": {"prompt": "a fox"}, "content_type": "application/json"}
    price = first.post("/v1/videos", **body).json()["lm"]["cost"]["held"]
    ApiKey.objects.update(monthly_cap_credits=price)
    _, text = api_keys.rotate(key=key, by=people["owner"], allowed=BY_ROLE[Role.OWNER])
    for caller in (first, program(text)):
        assert caller.post("/v1/videos", **body).json()["code"] == "cap_reached"


def caller_of(studio: Workspace, user: User) -> Caller:
    place = Membership.objects.select_related("user").get(workspace=studio, user=user)
    return Caller(studio, BY_ROLE[place.role], membership=place)


def many(people: dict[str, User], count: int, *, is_private: bool = True) -> None:
    """As many of the owner's: private ones newer than all there are, and shared ones older."""
    pattern = Generation.objects.latest("created_at")
    rows = []
    for number in range(count):
        row = copy(pattern)
        row.id, row.made_by, row.is_private = uuid4(), people["owner"], is_private
        row.created_at = pattern.created_at + timedelta(seconds=number if is_private else -number)
        rows.append(row)
    Generation.objects.bulk_create(rows)


def test_pages_follow_each_other_without_gap_or_repetition(
    studio: Workspace, browsers: dict[str, Client], people: dict[str, User]
) -> None:
    """What is shared and what is one's own, merged in the order of time, in both directions."""
    expected = []
    for number in range(9):
        who, seen_by = [("maker", "maker"), ("member", "team"), ("member", "maker")][number % 3]
        generation = made_by(browsers[who], f"clip {number}", seen_by=seen_by)
        if number % 3 != 2:
            expected.append(generation.id)
    caller = caller_of(studio, people["maker"])
    for is_ascending in (True, False):
        found: list[Generation] = []
        while page := listing.page(caller, limit=2, after=found[-1] if found else None, is_ascending=is_ascending):
            found += page
        assert [one.id for one in found] == (expected if is_ascending else expected[::-1])


def test_a_page_is_one_query_that_reads_little_more_than_it_shows(
    private: Generation, studio: Workspace, browsers: dict[str, Client], people: dict[str, User]
) -> None:
    made_by(browsers["member"], "for everybody")
    many(people, 3_000, is_private=False)
    many(people, 3_000)
    caller = caller_of(studio, people["maker"])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE generation_generation")
        with CaptureQueriesContext(connection) as queries:
            found = listing.page(caller, limit=25)
        assert (len(found), len(queries)) == (25, 1)
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + queries.captured_queries[0]["sql"])
        ((plan,),) = cursor.fetchall()
    assert read_rows(plan[0]["Plan"]) < 100


def read_rows(plan: dict[str, Any]) -> int:
    """Rows that the plan's scans of the requests touched, those that a filter threw away included."""
    own = 0
    if plan.get("Relation Name") == "generation_generation":
        own = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return int(own) + sum(read_rows(inner) for inner in plan.get("Plans", []))


def test_pages_and_lists_cost_the_same_however_much_is_private(
    private: Generation, studio: Workspace, browsers: dict[str, Client], people: dict[str, User]
) -> None:
    counts: list[list[int]] = []
    for more in (0, 40):
        many(people, more)
        counts.append([])
        for address in ("/", "/history/", "/v1/videos"):
            browsers["maker"].get(address)
            with CaptureQueriesContext(connection) as queries:
                browsers["maker"].get(address)
            counts[-1].append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("role", list(Role))
def test_the_table_says_who_sees_what_others_keep_private(role: Role) -> None:
    assert (Action.READ_PRIVATE_CLIPS in BY_ROLE[role]) == (role == Role.OWNER)
