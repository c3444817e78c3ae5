"""Lists of the admin: chips above the rows, buttons in them, and a section that is open where one is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import User, Workspace
from billing.shop.models import Pack
from generation.admin import GenerationAdmin
from generation.models import Generation, State
from generation.scheduling import dispatch
from loremotion import bounded_paginator
from loremotion.outbox import mail
from loremotion.outbox.mail import Content
from loremotion.outbox.models import MailMessage
from loremotion.staff_sections import mark_current
from tests.accounts.factories import browser_of, person
from tests.catalog.form_post import post_of
from tests.generation import factories

pytestmark = pytest.mark.django_db
CLIPS = "/admin/generation/generation/"


@pytest.fixture
def staff() -> Client:
    return browser_of(person("staff@example.com", is_staff=True))


@pytest.fixture
def workspace() -> Workspace:
    factories.model()
    return factories.visitor(credits=100).workspace


def row_of(page: str, name: str) -> str:
    """The cells of the one row whose html names ``name``."""
    rows = page.split('id="result_list"')[1].split("</table>")[0].split("<tr>")
    return next(row for row in rows if name in row)


def press(browser: Client, address: str, action: str, key: object) -> str:
    """As a browser does: the form that the button names is sent, with what the button says."""
    page = browser.get(address).text
    assert re.search(rf'form="do-{action}" name="_selected_action" value="{key}"', page)
    form = page.split(f'id="do-{action}"')[1].split("</form>")[0]
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form))
    return browser.post(address, {**fields, "_selected_action": str(key)}, follow=True).text


def test_a_button_in_a_row_does_what_choosing_the_row_would(staff: Client, workspace: Workspace) -> None:
    one, other = factories.submitted(workspace), factories.submitted(workspace)
    assert "Cancelled." in press(staff, CLIPS, "cancel_selected", one.id)
    assert {each.id: each.state for each in Generation.objects.all()} == {
        one.id: State.CANCELLED,
        other.id: State.QUEUED,
    }


def test_a_row_offers_what_makes_sense_for_it_and_asks_first_where_it_cannot_be_undone(
    staff: Client, workspace: Workspace
) -> None:
    waiting = factories.submitted(workspace)
    row = row_of(staff.get(CLIPS).text, str(waiting.id))
    assert "Its credits go back" in row.split("do-cancel_selected")[0]
    assert "do-retry_selected" not in row
    dispatch.fill_window()
    assert "do-retry_selected" in row_of(staff.get(CLIPS).text, str(waiting.id))
    press(staff, CLIPS, "cancel_selected", waiting.id)
    assert "do-" not in row_of(staff.get(CLIPS).text, str(waiting.id))


def test_who_may_do_nothing_to_rows_sees_no_column_of_it(workspace: Workspace) -> None:
    factories.submitted(workspace)
    user = person("looks@example.com")
    User.objects.filter(id=user.id).update(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_generation"))
    page = browser_of(User.objects.get(id=user.id)).get(CLIPS).text
    assert "field-poster" in page
    assert "field-doings" not in page
    user.user_permissions.add(Permission.objects.get(codename="retry_generation"))
    dispatch.fill_window()
    page = browser_of(User.objects.get(id=user.id)).get(CLIPS).text
    assert "do-retry_selected" in page.split('id="result_list"')[1].split("</table>")[0]
    assert "_selected_action" in page
    assert 'form="do-cancel_selected"' not in page


@pytest.mark.parametrize("chosen", [1, 2])
def test_a_button_for_rows_that_have_left_the_list_says_that_nothing_was_done(
    chosen: int, staff: Client, workspace: Workspace
) -> None:
    clips = [factories.submitted(workspace) for _ in range(chosen)]
    Generation.objects.update(state=State.RUNNING)
    said = {"action": "cancel_selected", "_selected_action": [str(clip.id) for clip in clips]}
    answer = staff.post(f"{CLIPS}?state__exact=queued", said, follow=True).text
    gone = "It is" if chosen == 1 else "They are"
    assert f"{gone} not in this list any more; nothing was done." in answer
    assert {*Generation.objects.values_list("state", flat=True)} == {State.RUNNING}


def test_of_chosen_rows_those_that_have_left_the_list_are_counted(staff: Client, workspace: Workspace) -> None:
    left, still = factories.submitted(workspace), factories.submitted(workspace)
    Generation.objects.filter(id=left.id).update(state=State.RUNNING)
    said = {"action": "cancel_selected", "_selected_action": [str(left.id), str(still.id)]}
    answer = staff.post(f"{CLIPS}?state__exact=queued", said, follow=True).text
    assert "1 of the 2 chosen is not in this list any more: with it nothing was done." in answer
    assert Generation.objects.get(id=still.id).state == State.CANCELLED
    assert Generation.objects.get(id=left.id).state == State.RUNNING


def test_what_asks_first_in_a_row_asks_first_below_the_list(staff: Client, workspace: Workspace) -> None:
    factories.submitted(workspace)
    bar = staff.get(CLIPS).text.split('class="actions"')[1].split("</div>")[0]
    sure = dict(re.findall(r'<details class="sure">.*?<p>(.*?)</p><button[^>]* value="(\w+)">', bar))
    assert {*sure.values()} == {"cancel_selected", "retry_selected"}
    assert "Its credits go back, less those of steps that ran. This goes for all that are chosen." in sure
    Workspace.objects.filter(id=workspace.id).update(name="Acme")
    bar = staff.get("/admin/accounts/workspace/").text.split('class="actions"')[1].split("</div>")[0]
    assert bar.count("<details") == 1, "what can be undone is done at once"


def test_all_that_match_are_no_number_once_counting_ends(
    staff: Client, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_paginator, "MOST_COUNTED", 3)
    monkeypatch.setattr(GenerationAdmin, "list_per_page", 1)
    for _ in range(2):
        factories.submitted(workspace)
    assert "Choose all 2 generations" in staff.get(CLIPS).text or "Choose all 2 clips" in staff.get(CLIPS).text
    factories.submitted(workspace)
    page = staff.get(CLIPS).text
    assert "Choose all that match (3+)" in page
    assert "All that match are selected (3+)" in page
    assert "All 3 selected" not in page


def test_a_button_says_what_it_has_done(staff: Client, workspace: Workspace) -> None:
    address = "/admin/accounts/workspace/"
    assert ": suspended. What ran is cancelled" in press(staff, address, "suspend_selected", workspace.id)
    assert ": the suspension is lifted." in press(staff, address, "unsuspend_selected", workspace.id)


def test_mail_that_was_given_up_is_sent_again_from_its_row(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "content_of", lambda _: Content("mail/nothing.txt", {}))
    terms = {"address": "x@example.org", "content": "x.y", "expires_at": timezone.now()}
    about = "0190b3c8-7a1e-7000-8000-000000000001"
    dead = MailMessage.objects.create(**terms, about=about, state="dead")
    sent = MailMessage.objects.create(**terms, about=about.replace("1", "2"), occasion="another", state="sent")
    address = "/admin/outbox/mailmessage/"
    assert f'form="do-retry_selected" name="_selected_action" value="{sent.pk}"' not in staff.get(address).text
    assert "it is sent again." in press(staff, address, "retry_selected", dead.pk)
    dead.refresh_from_db()
    assert dead.state == "waiting"


def test_chosen_rows_are_acted_on_by_a_button_and_by_none_unless_one_is_pressed(
    staff: Client, workspace: Workspace
) -> None:
    clip = factories.submitted(workspace)
    bar = staff.get(CLIPS).text.split('class="actions"')[1].split("</div>")[0]
    assert re.findall(r'<button class="plain-button" name="action" value="(\w+)"', bar) == [
        "cancel_selected",
        "retry_selected",
    ]
    fields = [("index", "1"), ("action", ""), ("select_across", "0"), ("_selected_action", str(clip.id))]
    for pressed in ([("index", "0")], []):  # the Enter key, and nothing at all
        said: dict[str, list[str]] = {}
        for name, value in [*fields, *pressed]:
            said.setdefault(name, []).append(value)
        staff.post(CLIPS, said)
        clip.refresh_from_db()
        assert clip.state == State.QUEUED
    staff.post(CLIPS, {**said, "action": ["", "cancel_selected"]})
    clip.refresh_from_db()
    assert clip.state == State.CANCELLED


def test_a_list_that_is_edited_in_place_is_saved_as_before(staff: Client) -> None:
    page = staff.get("/admin/shop/pack/").text
    form = {**post_of(page.split('id="changelist-form"')[1]), "form-0-position": "77", "_save": "Save"}
    assert staff.post("/admin/shop/pack/", form).status_code == 302
    assert Pack.objects.filter(position=77).count() == 1


def test_filters_stand_before_the_rows_as_links_and_say_what_is_chosen(staff: Client, workspace: Workspace) -> None:
    factories.submitted(workspace)
    page = staff.get(CLIPS, {"state__exact": "queued", "paid": "no"}).text
    chips, rows = page.split('class="filters"')[1].split('id="result_list"')
    assert '"?paid=no&amp;state__exact=running"' in chips or '"?state__exact=running&amp;paid=no"' in chips
    assert re.search(r'aria-current="true">Waiting|aria-current="true">Queued|aria-current="true">In line', chips)
    assert "Paid: <strong>Free</strong>" in chips
    assert "Clear filters" in chips
    assert 'class="filters"' not in rows
    assert "changelist-filter" not in page


def test_a_filter_of_yes_and_no_says_of_what(staff: Client) -> None:
    chips = staff.get("/admin/accounts/user/").text.split('class="filters"')[1].split("</nav>")[0]
    assert '<span class="named">Is staff</span>' in chips
    assert '<span class="named">' not in staff.get(CLIPS).text, "a state says that it is one"
    assert ">On Explore</a>" in staff.get("/admin/sharing/share/", {"explore": "yes"}).text
    assert ">Not paid</a>" in staff.get("/admin/shop/order/").text


def test_a_cell_knows_the_heading_of_its_column(staff: Client, workspace: Workspace) -> None:
    clip = factories.submitted(workspace)
    row = row_of(staff.get(CLIPS).text, str(clip.id))
    assert '<td data-label="Model" class="field-model_name">' in row
    assert re.search(r'<t[dh] data-label="Asked for" class="field-asked">', row)


def test_a_list_of_nothing_says_so_and_how_to_see_more(staff: Client) -> None:
    assert "No generations yet" in staff.get(CLIPS).text or "No clips yet" in staff.get(CLIPS).text
    assert "Clear search and filters" in staff.get(CLIPS, {"q": "nobody@example.org"}).text


# --- sections ---------------------------------------------------------------------------------------------------


def test_the_section_of_a_page_is_open_and_the_others_are_closed(staff: Client) -> None:
    page = staff.get("/admin/shop/payment/").text.split('id="sections"')[1].split("</nav>")[0]
    assert [name for is_open, name in re.findall(r"<details( open)?><summary>(\w+)", page) if is_open] == ["Money"]
    assert re.findall(r"<details(?: open)?><summary>(\w+)", page) == [
        *("Catalogue", "Fleet", "Clips", "Customers", "Money", "People", "System")
    ]
    assert page.count('aria-current="page"') == 1
    first = staff.get("/admin/").text.split('id="sections"')[1].split("</nav>")[0]
    assert " open>" not in first
    assert re.search(r'aria-current="page">Today', first)


def test_of_pages_inside_each_other_the_innermost_is_the_current_one() -> None:
    pages: list[dict[str, Any]] = [{"admin_url": "/admin/a/"}, {"admin_url": "/admin/a/b/"}, {"admin_url": None}]
    [section] = mark_current([{"models": pages}], "/admin/a/b/7/", {"/admin/a/": 2, "/admin/elsewhere/": 9})
    assert [page["is_current"] for page in pages] == [False, True, False]
    assert (section["is_current"], section["waiting"]) == (True, 2)


def test_what_waits_is_counted_beside_the_page_for_whoever_may_open_it(staff: Client) -> None:
    terms = {"address": "x@example.org", "content": "x.y", "expires_at": timezone.now(), "ended_at": timezone.now()}
    MailMessage.objects.create(**terms, about="0190b3c8-7a1e-7000-8000-000000000001", state="dead", last_error="No.")
    cache.clear()

    def badges(browser: Client) -> list[tuple[str, str]]:
        page = browser.get("/admin/").text.split('id="sections"')[1].split("</nav>")[0]
        return re.findall(r'([\w ]+?) <span class="badge">(\d+)<', page)

    assert badges(staff) == [("Today", "1"), ("System", "1"), ("Mail messages", "1")]
    user = person("looks@example.com")
    User.objects.filter(id=user.id).update(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_generation"))
    assert badges(browser_of(User.objects.get(id=user.id))) == []


@pytest.mark.parametrize("page", ["history/", "delete/"])
def test_pages_about_a_row_name_the_section_it_is_in(staff: Client, page: str) -> None:
    pack = Pack.objects.create(name="Heap", slug="heap", credits=900)
    found = (
        staff.get(f"/admin/shop/pack/{pack.pk}/{page}").text.partition('class="breadcrumbs">')[2].partition("</div>")[0]
    ).replace("\n", "")
    assert "&rsaquo; Money &rsaquo;" in re.sub("<[^>]+>", "", found)
    assert "/admin/shop/pack/" in found


def test_there_is_no_page_of_an_apps_own(staff: Client) -> None:
    assert staff.get("/admin/shop/")["Location"] == "/admin/"
