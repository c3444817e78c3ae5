"""Who makes a clip's link, who ends it, and what ends with it."""

from __future__ import annotations

import json
from datetime import timedelta
from io import BytesIO
from zipfile import ZipFile

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import erasure, exports, visitors, workspaces
from accounts.caller import Caller
from accounts.models import AuditEntry, Membership, Visitor
from accounts.roles import BY_ROLE, VISITOR_MAY, Role
from catalog.models import Model
from generation.models import Clip, Generation
from generation.settlement import deletion
from generation.sharing import links
from generation.sharing.models import Share
from generation.storage import retention
from generation.submission import privacy
from loremotion.refusals import Conflict
from tests.accounts import factories as accounts
from tests.generation import factories
from tests.generation.test_reference import complaints


def events() -> list[str]:
    """What was noted of clips, in order."""
    return list(AuditEntry.objects.filter(event__startswith="clip.").order_by("id").values_list("event", flat=True))


def test_a_clip_has_one_link_whose_page_shows_what_its_owner_chose(made: Generation, alice: Visitor) -> None:
    browser = accounts.browser_of(alice)
    address = f"/generations/{made.id}/share/"
    assert browser.post(address)["Location"] == f"/generations/{made.id}/#link"
    first = Share.objects.get()
    assert (first.shows_prompt, first.is_indexed, len(first.token)) == (False, False, 22)
    browser.post(address, {"shows_prompt": "on", "is_indexed": "on"})
    again = Share.objects.get()
    assert (again.token, again.shows_prompt, again.is_indexed) == (first.token, True, True)
    assert links.address(first.token) in browser.get(f"/generations/{made.id}/").text
    browser.post(address, {"shows_prompt": "on", "is_indexed": "on"})  # changes nothing, and notes nothing
    browser.post(f"/generations/{made.id}/share/revoke/")
    browser.post(f"/generations/{made.id}/share/revoke/")
    assert events() == ["clip.link_created", "clip.link_changed", "clip.link_revoked"]
    browser.post(address)
    assert Share.objects.get().token != first.token


def test_a_revoked_link_leads_nowhere(link: Share, made: Generation, alice: Visitor, stranger: Client) -> None:
    parts = [f"/s/{link.token}/{part}" for part in ("", "embed/", "clip.mp4", "poster.jpg")]
    assert [stranger.get(part).status_code for part in parts] == [200] * 4
    accounts.browser_of(alice).post(f"/generations/{made.id}/share/revoke/")
    assert [stranger.get(part).status_code for part in parts] == [404] * 4


def test_the_link_ends_with_the_clip(link: Share, made: Generation, stranger: Client) -> None:
    deletion.delete(made)
    assert stranger.get(f"/s/{link.token}/").status_code == 404  # before the files are gone, too
    Clip.objects.filter(generation=made).delete()
    assert not Share.objects.exists()


def test_the_link_ends_when_the_clip_s_time_is_over(link: Share, made: Generation) -> None:
    long_ago = timezone.now() - timedelta(days=900)
    Clip.objects.filter(generation=made).update(created_at=long_ago, expires_at=long_ago)
    retention.sweep_clips()
    assert not Share.objects.exists()


def test_a_release_that_knows_no_links_deletes_clips_too(link: Share, made: Generation) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM generation_clip WHERE generation_id = %s", [made.id])
    assert not Share.objects.exists()


def test_an_erased_workspace_leaves_no_link(link: Share, alice: Visitor) -> None:
    erasure.erase_visitor(alice)
    assert not Share.objects.exists()


def test_a_link_moves_with_its_clip_and_goes_on(link: Share, alice: Visitor, stranger: Client) -> None:
    person = accounts.person()
    workspaces.adopt(visitor=alice, user=person)
    assert stranger.get(f"/s/{link.token}/").status_code == 200
    assert accounts.browser_of(person).post(f"/generations/{link.clip_id}/share/revoke/").status_code == 302
    assert not Share.objects.exists()


def test_a_clip_that_is_not_there_has_no_link(toy: Model, alice: Visitor) -> None:
    waiting = factories.submitted(alice.workspace)
    browser = accounts.browser_of(alice)
    assert browser.post(f"/generations/{waiting.id}/share/").status_code == 409
    assert "Share" not in browser.get(f"/generations/{waiting.id}/").text


def test_a_private_clip_has_no_link(link: Share, made: Generation, stranger: Client) -> None:
    owner = accounts.person()
    team = accounts.team(owner)
    Generation.objects.update(workspace=team, made_by=owner)
    made.refresh_from_db()
    membership = Membership.objects.get(workspace=team, user=owner)
    caller = Caller(team, BY_ROLE[Role.OWNER], membership=membership)
    privacy.change(made, caller=caller, is_private=True)
    assert not Share.objects.exists()
    with pytest.raises(Conflict, match="private"):
        links.share(made, caller=caller)
    assert events() == ["clip.made_private", "clip.link_revoked"]
    privacy.change(made, caller=caller, is_private=False)
    assert stranger.get(f"/s/{link.token}/").status_code == 404, "a link that ended stays so"


def test_viewers_share_nothing(made: Generation, alice: Visitor) -> None:
    viewer = accounts.person()
    team = workspaces.adopt(visitor=alice, user=viewer)
    Membership.objects.update(role=Role.VIEWER)
    browser = accounts.browser_of(viewer, team)
    assert browser.post(f"/generations/{made.id}/share/").status_code == 403
    assert 'id="link"' not in browser.get(f"/generations/{made.id}/").text


def test_an_export_names_the_links(link: Share, alice: Visitor) -> None:
    with ZipFile(BytesIO(b"".join(exports.zip_export(Caller(alice.workspace, VISITOR_MAY))))) as archive:
        (told,) = json.loads(archive.read("links.json"))
    assert told["url"] == links.address(link.token)
    assert told["generation_id"] == str(link.clip_id)
    assert (told["prompt"], told["indexed"]) == (True, False)


def test_the_api_shares_and_revokes(made: Generation, alice: Visitor, stranger: Client) -> None:
    contract = stranger.get("/v1/openapi.json").json()
    client, address = accounts.browser_of(alice), f"/v1/videos/{made.id}/share"
    shared = client.post(address, {"prompt": True}, content_type="application/json").json()
    assert complaints(contract, "VideoShare", shared) == []
    assert (shared["prompt"], shared["indexed"]) == (True, False)
    assert shared["url"] == links.address(Share.objects.get().token)
    refused = client.post(address, {"title": "x"}, content_type="application/json")
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "unknown_field")
    assert client.delete(address).json()["deleted"] is True
    assert client.delete(address).status_code == 200
    assert not Share.objects.exists()
    assert stranger.post(address).status_code == 401


def test_a_newcomer_has_no_cookie_from_looking(link: Share, stranger: Client) -> None:
    stranger.get(f"/s/{link.token}/")
    assert visitors.COOKIE not in stranger.cookies
