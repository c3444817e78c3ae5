"""Staff picks shared clips; anybody finds them, page after page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry, User, Visitor
from catalog.models import Model
from generation.models import Clip, Generation
from generation.pages import explore
from generation.sharing import links, picks
from generation.sharing.models import Share
from loremotion.refusals import Conflict
from tests.accounts import factories as accounts
from tests.generation import factories
from tests.sharing.conftest import PROMPT


@pytest.fixture
def listed(link: Share) -> Share:
    """A clip that its owner lets anybody find."""
    link.is_indexed = True
    Share.objects.update(is_indexed=True)
    return link


def act(staff: Client, action: str, link: Share) -> str:
    answer = staff.post("/admin/sharing/share/", {"action": action, "_selected_action": [str(link.id)]}, follow=True)
    assert answer.status_code == 200
    return answer.text


def events() -> list[tuple[str, str]]:
    picked = AuditEntry.objects.filter(event__startswith="clip.").order_by("id")
    return list(picked.values_list("event", "actor"))


def test_where_nothing_is_picked_there_is_something_to_begin_with(stranger: Client, toy: Model) -> None:
    prompt = 'href="/?prompt=a%20red%20circle'
    page = stranger.get("/explore/").text
    assert "To offer one of yours" in page
    assert 'class="button" href="/models/"' in page
    assert prompt not in page, "the toy of the tests makes none of these"
    factories.model("little", is_default=False, family="preview", fps=8)
    assert "&amp;model=little" in stranger.get("/explore/").text.split(prompt)[1].split('"')[0]
    assert prompt in stranger.get("/explore/?model=little").text
    assert prompt not in stranger.get("/explore/?model=toy").text


def test_what_staff_picks_is_on_explore_and_in_the_audit_log(listed: Share, stranger: Client) -> None:
    staff = accounts.browser_of(accounts.person("staff@example.org", is_staff=True))
    assert PROMPT not in stranger.get("/explore/").text
    act(staff, "feature", listed)
    act(staff, "feature", listed)
    page = stranger.get("/explore/").text
    assert PROMPT in page
    assert f'href="/?shared={listed.token}"' in page
    act(staff, "withdraw", listed)
    assert PROMPT not in stranger.get("/explore/").text
    assert stranger.get(f"/s/{listed.token}/").status_code == 200
    act(staff, "revoke", listed)
    assert stranger.get(f"/s/{listed.token}/").status_code == 404
    said = [event for event, actor in events() if actor == "staff staff@example.org"]
    assert said == ["clip.featured", "clip.unfeatured", "clip.link_revoked"]


def test_what_its_owner_shows_to_few_is_not_picked(link: Share, made: Generation, alice: Visitor) -> None:
    with pytest.raises(Conflict, match="those alone who have its link"):
        picks.feature(link, actor="staff")
    browser, address = accounts.browser_of(alice), f"/generations/{made.id}/share/"
    browser.post(address, {"shows_prompt": "on", "is_indexed": "on"})
    picks.feature(link, actor="staff")
    browser.post(address, {"is_indexed": "on"})
    assert Share.objects.get().featured_at is None, "Explore shows a prompt that its owner took back"


def test_staff_without_the_permission_picks_nothing(listed: Share, alice: Visitor) -> None:
    helper = accounts.person("helper@example.org", is_staff=True)
    User.objects.filter(id=helper.id).update(is_superuser=False)
    answer = accounts.browser_of(helper).post(
        "/admin/sharing/share/", {"action": "feature", "_selected_action": [str(listed.id)]}
    )
    assert answer.status_code == 403
    assert Share.objects.get().featured_at is None


def picked(number: int, like: Generation) -> Share:
    """One more pick, older by a minute each."""
    like.pk, like._state.adding = None, True
    like.id = Generation._meta.pk.get_default()
    like.prompt = f"clip number {number:02}"
    like.save(force_insert=True)
    facts = dict(Clip.objects.values()[0])
    clip = Clip.objects.create(**{**facts, "generation_id": like.id})
    at = timezone.now() - timedelta(minutes=number)
    return Share.objects.create(clip=clip, shows_prompt=True, is_indexed=True, featured_at=at)


def test_pages_go_on_where_the_last_one_ended_at_the_same_cost(
    toy: Model, made: Generation, stranger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explore, "PAGE", 3)
    tokens = [picked(number, Generation.objects.get(id=made.id)).token for number in range(7)]
    seen, costs, address = [], [], "/explore/"
    while address:
        with CaptureQueriesContext(connection) as queries:
            page = stranger.get(address).text
        costs.append(len(queries))
        seen += [token for token in tokens if f"/s/{token}/" in page]
        address = page.partition('class="older"><a class="button" href="')[2].partition('"')[0].replace("&amp;", "&")
        address = f"/explore/{address}" if address else ""
    assert seen == tokens
    assert costs == [3, 3, 3]  # the first asks which models have picks; the others find their place
    assert "clip number 00" in stranger.get("/explore/?model=toy").text


def test_older_than_a_pick_that_was_withdrawn_meanwhile_starts_over(listed: Share, stranger: Client) -> None:
    picks.feature(listed, actor="staff")
    assert PROMPT not in stranger.get(f"/explore/?after={listed.token}").text
    for after in ("none", "%00"):
        assert PROMPT in stranger.get(f"/explore/?after={after}").text


def test_who_is_shut_out_is_not_on_explore(listed: Share, alice: Visitor, stranger: Client) -> None:
    picks.feature(listed, actor="staff")
    alice.workspace.suspended_at = timezone.now()
    alice.workspace.save(update_fields=["suspended_at"])
    assert PROMPT not in stranger.get("/explore/").text
    assert links.address(listed.token) not in stranger.get("/models/").text


def test_lists_of_models_name_them(made: Generation, alice: Visitor, stranger: Client) -> None:
    other = factories.model("other", is_default=False)
    like = Generation.objects.get(id=made.id)
    assert other.current is not None
    like.version = other.current
    picked(1, like)
    page = stranger.get("/explore/?model=other").text
    assert '<a href="?model=other" aria-current="page">Other</a>' in page
    assert "?model=toy" not in page  # none of it is picked
    assert '<option value="other" >Other</option>' in accounts.browser_of(alice).get("/history/").text


def test_picks_are_on_the_front_page_of_whoever_has_no_clips(
    toy: Model, alice: Visitor, made: Generation, stranger: Client
) -> None:
    assert "/s/" not in stranger.get("/").text
    token = picked(1, Generation.objects.get(id=made.id)).token
    assert f'href="/s/{token}/"' in stranger.get("/").text
    assert f'href="/s/{token}/"' not in accounts.browser_of(alice).get("/").text
