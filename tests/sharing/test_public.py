"""What anybody sees of a shared clip, on its page and in other sites' frames."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts import bans
from accounts.models import Visitor, Workspace
from catalog.models import Model
from generation.models import Generation
from generation.sharing.models import Share
from generation.storage import serving
from tests.accounts import factories as accounts
from tests.generation.factories import CLIP_BYTES
from tests.sharing.conftest import PROMPT


@pytest.fixture
def site(settings: Settings) -> str:
    settings.SITE_URL = "https://clips.example"
    return "https://clips.example"


def metas(page: str) -> dict[str, str]:
    return {
        name: unescape(text) for name, text in re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)"', page)
    }


def test_the_page_says_what_other_sites_show_of_it(link: Share, site: str, stranger: Client) -> None:
    page = stranger.get(f"/s/{link.token}/").text
    said, here = metas(page), f"{site}/s/{link.token}/"
    assert said["og:title"] == PROMPT
    assert said["og:image"] == said["twitter:image"] == f"{here}poster.jpg"
    assert said["og:video"] == said["og:video:secure_url"] == said["twitter:player:stream"] == f"{here}clip.mp4"
    assert (said["og:video:type"], said["og:video:width"], said["og:video:height"]) == ("video/mp4", "192", "128")
    assert (said["twitter:card"], said["twitter:player"]) == ("player", f"{here}embed/")
    assert ">AI</p>" in page
    assert f'href="/?shared={link.token}"' in page


def test_a_kept_prompt_and_everything_else_of_the_workspace_stay_there(
    link: Share, made: Generation, alice: Visitor, stranger: Client
) -> None:
    Share.objects.update(shows_prompt=False)
    link.refresh_from_db()
    named = made.version.model.name
    parts = [f"/s/{link.token}/", f"/s/{link.token}/embed/", f"/oembed?url=http://testserver/s/{link.token}/"]
    told = "".join(stranger.get(part).text for part in [*parts, f"/?shared={link.token}"])
    told += str(stranger.get(f"/s/{link.token}/clip.mp4?download").headers)
    assert f"A clip made with {named}" in told
    for kept in (PROMPT, "a-fox", str(made.id), str(alice.workspace_id), "77"):
        assert kept not in re.sub(r'(csrfmiddlewaretoken" value=|\?v=)"?\w+', "", told), kept


@pytest.mark.parametrize("is_indexed", [False, True])
def test_search_engines_list_the_page_if_its_owner_wants_that(link: Share, stranger: Client, is_indexed: bool) -> None:
    Share.objects.update(is_indexed=is_indexed)
    page = stranger.get(f"/s/{link.token}/")
    assert ("noindex" in page.text, page.get("X-Robots-Tag") == "noindex") == (not is_indexed, not is_indexed)
    clip = stranger.get(f"/s/{link.token}/clip.mp4")
    assert (clip.get("X-Robots-Tag") == "noindex") == (not is_indexed)
    assert stranger.get(f"/s/{link.token}/embed/")["X-Robots-Tag"] == "noindex"


def test_other_sites_frame_the_player_and_nothing_else(link: Share, stranger: Client) -> None:
    player = stranger.get(f"/s/{link.token}/embed/")
    assert "X-Frame-Options" not in player
    policy = player["Content-Security-Policy"]
    assert "frame-ancestors *" in policy
    assert "default-src 'none'" in policy
    assert "<script" not in player.text
    page = stranger.get(f"/s/{link.token}/")
    assert page["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in page["Content-Security-Policy"]


def test_the_file_comes_whole_in_parts_and_as_headers_alone(link: Share, stranger: Client) -> None:
    address = f"/s/{link.token}/clip.mp4"
    whole = stranger.get(address)
    assert b"".join(whole) == CLIP_BYTES
    part = stranger.get(address, headers={"Range": "bytes=4-7"})
    assert (part.status_code, b"".join(part)) == (206, b"ftyp")
    head = stranger.head(address)
    assert (head.status_code, head["Content-Length"], head["Accept-Ranges"]) == (200, str(len(CLIP_BYTES)), "bytes")
    assert stranger.get(address, headers={"If-None-Match": whole["ETag"]}).status_code == 304
    assert stranger.get(f"{address}?download")["Content-Disposition"] == 'attachment; filename="a-fox-by-the-sea.mp4"'


def test_readers_of_one_network_keep_nobody_else_from_the_clip(
    link: Share, stranger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "MOST_SENT_AT_ONCE", 2)
    address = f"/s/{link.token}/clip.mp4"
    slow = [stranger.get(address, REMOTE_ADDR="203.0.113.7") for _ in range(2)]
    assert stranger.get(address, REMOTE_ADDR="203.0.113.8").status_code == 429
    assert stranger.get(address, REMOTE_ADDR="198.51.100.7").status_code == 200
    for answer in slow:
        answer.close()


def test_sites_that_know_oembed_are_given_the_player_in_their_size(link: Share, site: str, stranger: Client) -> None:
    page = stranger.get(f"/s/{link.token}/").text
    found = re.search(r'type="application/json\+oembed"[^>]* href="([^"]+)"', page)
    assert found
    address = unescape(found[1]).removeprefix(site)
    told = stranger.get(address)
    assert told["Access-Control-Allow-Origin"] == "*"
    said = told.json()
    assert (said["version"], said["type"], said["width"], said["height"]) == ("1.0", "video", 192, 128)
    assert f'<iframe src="{site}/s/{link.token}/embed/"' in said["html"]
    small = stranger.get(f"{address}&maxwidth=96&maxheight=96").json()
    assert (small["width"], small["height"]) == (96, 64)
    assert stranger.get(f"{address}&format=xml").status_code == 501
    assert stranger.get(f"{address}&maxwidth=0").status_code == 422
    for other in (
        "",
        "https://elsewhere.example/s/x/",
        f"{site}/models/",
        f"{site}/s/x/",
        "http://[",
        f"{site}/s/\x00/",
    ):
        assert stranger.get("/oembed", {"url": other}).status_code == 404, other


def test_the_title_is_text_wherever_it_stands(link: Share, stranger: Client) -> None:
    Generation.objects.update(prompt='"><script>alert(1)</script>')
    for part in ("", "embed/"):
        assert "<script>alert" not in stranger.get(f"/s/{link.token}/{part}").text
    assert "<script>" not in stranger.get(f"/oembed?url=http://localhost/s/{link.token}/").text


def test_who_is_shut_out_shows_nothing(link: Share, alice: Visitor, stranger: Client) -> None:
    address = f"/s/{link.token}/"
    for field in ("suspended_at", "closed_at"):
        Workspace.objects.update(**{field: timezone.now()})
        assert stranger.get(address).status_code == 404, field
        Workspace.objects.update(**{field: None})
    assert stranger.get(address).status_code == 200
    ban = bans.ban_visitor(alice, by=accounts.person(is_staff=True), reason="spam")
    assert stranger.get(address).status_code == 404
    bans.end(ban, actor="test")
    assert stranger.get(address).status_code == 200


def test_who_came_from_a_banned_network_shows_nothing(link: Share, alice: Visitor, stranger: Client) -> None:
    address, staff = f"/s/{link.token}/", accounts.person(is_staff=True)
    other = bans.ban_network("other", by=staff, reason="spam")
    assert stranger.get(address).status_code == 200, "whose network is not known comes from none that is banned"
    Visitor.objects.filter(id=alice.id).update(network="theirs")
    assert stranger.get(address).status_code == 200
    ban = bans.ban_network("theirs", by=staff, reason="spam")
    assert stranger.get(address).status_code == 404
    bans.end(ban, actor="test")
    assert stranger.get(address).status_code == 200
    assert other.lifted_at is None


def test_remixing_fills_the_form(link: Share, stranger: Client, toy: Model) -> None:
    page = stranger.get(f"/?shared={link.token}").text
    assert f">{PROMPT}</textarea>" in page
    assert re.search(r'value="192x128"\s+checked', page)
    assert re.search(r'value="3.125"\s+checked', page)
    assert 'value="77"' not in page, "the same seed would make the same clip"
    assert stranger.get("/?shared=none").status_code == 404


def test_a_look_takes_so_many_queries_however_many_clips_there_are(link: Share, stranger: Client) -> None:
    stranger.get(f"/s/{link.token}/")
    for part, most in (("", 1), ("embed/", 1), ("clip.mp4", 1), ("poster.jpg", 1)):
        with CaptureQueriesContext(connection) as queries:
            stranger.get(f"/s/{link.token}/{part}")
        assert len(queries) == most, part
