"""The list of clips for staff: whose, how long, how it went; filters that read no whole table; another attempt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEntry, User, Visitor, Workspace
from billing import ledger
from catalog.models import Model
from generation import reports
from generation.models import Generation, State
from generation.scheduling import dispatch
from generation.staff import charges, clips
from generation.webhooks.models import Delivery, Endpoint
from loremotion.bounded_paginator import MOST_COUNTED
from loremotion.outbox.models import MailMessage
from tests.accounts.factories import person
from tests.generation import factories

LIST = "/admin/generation/generation/"


@pytest.fixture
def staff(db: None) -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("staff@example.com", "irrelevant"))
    return browser


@pytest.fixture
def made(toy: Model, alice: Visitor) -> Generation:
    """A clip that was dispatched, begun and delivered."""
    generation = factories.submitted(alice.workspace, "a private wish")
    dispatch.fill_window()
    generation.refresh_from_db()
    factories.deliver_clip(generation)
    reports.finished(factories.report(generation, stage_seconds={"loading": 1.0, "denoising": 3.5}).to_wire())
    generation.refresh_from_db()
    assert generation.state == State.SUCCEEDED
    return generation


def browser_of_role(role: str) -> Client:
    browser = Client()
    browser.force_login(person := User.objects.create_user(f"{role}@example.com".lower(), is_staff=True))
    person.groups.add(Group.objects.get(name=role))
    return browser


def listed(staff: Client, query: str = "") -> list[Generation]:
    return list(staff.get(LIST + query).context["cl"].result_list)


def test_a_row_says_whose_it_is_and_shows_its_poster_and_not_its_prompt(made: Generation, staff: Client) -> None:
    page = staff.get(LIST).text
    assert f"/admin/clips/{made.id}/poster.jpg" in page
    assert f'/admin/customers/{made.workspace_id}/">Visitor {str(made.workspace_id)[:8]}</a>' in page
    assert "a private wish" not in page


def test_a_prompt_is_for_staff_who_may_look_into_workspaces_and_a_private_one_for_nobody(made: Generation) -> None:
    def page_for(role: str) -> str:
        return browser_of_role(role).get(f"{LIST}{made.id}/change/").text

    assert "a private wish" in page_for("Support")
    assert "a private wish" not in page_for("Operations")
    assert "a private wish" not in page_for("Catalogue")
    Generation.objects.filter(id=made.id).update(is_private=True)
    User.objects.filter(email="support@example.com").delete()
    assert "a private wish" not in page_for("Support")


def test_a_row_says_beside_the_state_who_has_it(made: Generation, staff: Client) -> None:
    for state, code, worker, said in (
        (
            "failed",
            "out_of_memory",
            "gpu-7",
            'bad">Failed</span><br><span class="error" title="out_of_memory">Out of memory</span></td>',
        ),
        ("running", "", "gpu-7", 'at-work">Running</span><br><span class="quiet">gpu-7</span>'),
        (
            "succeeded",
            "",
            "gpu-7",
            'class="field-went"><span class="state good">Succeeded</span></td>',
        ),
    ):
        Generation.objects.filter(id=made.id).update(state=state, error_code=code, worker=worker)
        assert said in staff.get(LIST).text


def test_a_private_clip_is_shown_to_nobody_in_the_list(made: Generation, staff: Client) -> None:
    Generation.objects.filter(id=made.id).update(is_private=True)
    assert "poster.jpg" not in staff.get(LIST).text
    assert staff.get(f"/admin/clips/{made.id}/poster.jpg").status_code == 404


FILTERS: dict[str, set[str]] = {
    "": {"new"},
    "?when=any": {"new", "old"},
    "?when=hour": {"new"},
    "?when=nonsense": set(),
    "?when=0001-01-01": set(),
    "?when=9999": set(),
    "?when=2026-13": set(),
    "?paid=no": set(),
    "?paid=yes": {"new"},
    "?trouble=again": set(),
    "?model=toy": {"new"},
    "?model=another": set(),
    "?state__exact=queued": {"new"},
}


def test_filters(toy: Model, alice: Visitor, staff: Client, subtests: pytest.Subtests) -> None:
    new, old = factories.submitted(alice.workspace), factories.submitted(alice.workspace)
    Generation.objects.filter(id=old.id).update(created_at=timezone.now() - timedelta(days=45))
    Generation.objects.update(fair_finish=1.0)
    names = {new.id: "new", old.id: "old"}
    for query, expected in FILTERS.items():
        with subtests.test(query=query):
            assert {names[each.id] for each in listed(staff, query)} == expected


def test_a_year_a_month_or_a_day_is_chosen_from_the_oldest_clip_to_today(
    toy: Model, alice: Visitor, staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = datetime(2026, 2, 3, 12, tzinfo=UTC)
    monkeypatch.setattr("loremotion.time_filter.timezone.now", lambda: today)
    new, old = factories.submitted(alice.workspace), factories.submitted(alice.workspace)
    Generation.objects.filter(id=new.id).update(created_at=today)
    Generation.objects.filter(id=old.id).update(created_at=datetime(2025, 11, 30, 23, 59, tzinfo=UTC))

    def offered(query: str) -> list[str]:
        (filter_by_time,) = (
            each for each in staff.get(LIST + query).context["cl"].filter_specs if hasattr(each, "periods")
        )
        rows: list[str] = []
        for row in filter_by_time.periods:
            rows.append(", ".join(f"[{link.text}]" if link.is_chosen else link.text for link in row))
        return rows

    assert offered("") == ["2026, 2025", "February 2026, January 2026"]
    assert offered("?when=2025") == ["2026, [2025]", "December 2025, November 2025"]
    assert offered("?when=2025-11-30") == ["2026, [2025]", "December 2025, [November 2025]", "[30]"]
    assert offered("?when=2026-02") == ["[2026], 2025", "[February 2026], January 2026", "3, 2, 1"]
    for query, expected in (
        ("2025", [old]),
        ("2025-11", [old]),
        ("2025-11-30", [old]),
        ("2025-12", []),
        ("2026", [new]),
    ):
        assert listed(staff, f"?when={query}") == expected, query
    page = staff.get(LIST + "?when=2025-11&state__exact=queued&p=1").text
    assert 'href="?when=2025-11-30&amp;state__exact=queued"' in page


def test_a_clip_is_found_by_its_id_however_old(toy: Model, alice: Visitor, staff: Client) -> None:
    clip = factories.submitted(alice.workspace)
    Generation.objects.filter(id=clip.id).update(created_at=timezone.now() - timedelta(days=400))
    for wanted in (clip.id, clip.workspace_id):
        assert listed(staff, f"?q={wanted}") == [clip]
    assert listed(staff, "?q=nothing") == []


def test_clips_are_found_by_the_address_of_whoever_they_belong_to(toy: Model, alice: Visitor, staff: Client) -> None:
    ada = person("ada@example.org")
    own = Workspace.objects.get(memberships__user=ada)
    ledger.grant(account=own.id, reference="test", amount=100, kind=ledger.LotKind.PACK)
    clip = factories.submitted(own)
    factories.submitted(alice.workspace)
    assert listed(staff, "?q=Ada@example.org") == [clip]
    assert listed(staff, "?q=ada@example") == []


def test_an_address_finds_nothing_for_staff_who_may_not_look_customers_up(toy: Model, alice: Visitor) -> None:
    ada = person("ada@example.org")
    own = Workspace.objects.get(memberships__user=ada)
    ledger.grant(account=own.id, reference="test", amount=100, kind=ledger.LotKind.PACK)
    factories.submitted(own)
    browser = Client()
    browser.force_login(someone := User.objects.create_user("operations@example.com", is_staff=True))
    someone.user_permissions.add(Permission.objects.get(codename="view_generation"))
    assert listed(browser, "?q=ada@example.org") == []


def test_a_row_says_what_went_wrong_and_how_long_it_has_waited(toy: Model, alice: Visitor, staff: Client) -> None:
    waiting, failed = factories.submitted(alice.workspace), factories.submitted(alice.workspace)
    asked = timezone.now() - timedelta(hours=3)
    Generation.objects.filter(id=waiting.id).update(created_at=asked)
    Generation.objects.filter(id=failed.id).update(state=State.FAILED, error_code="out_of_memory", finished_at=asked)
    page = staff.get(LIST).text
    assert '<td data-label="Wait" class="field-wait">3 h</td>' in page
    assert '<span class="error" title="out_of_memory">Out of memory</span></td>' in page
    assert page.count("3 h</td>") == 1, "what is over waits no more"


def test_a_row_shows_what_was_charged_and_of_what_is_open_what_is_held(
    toy: Model, alice: Visitor, staff: Client
) -> None:
    waiting, failed = factories.submitted(alice.workspace), factories.submitted(alice.workspace)
    clips.cancel_as_staff(failed, by=User.objects.get(email="staff@example.com"))
    rows = {clip.id: charges.charged_of(clip) for clip in listed(staff)}
    assert rows == {waiting.id: None, failed.id: 0}
    page = staff.get(LIST).text
    assert f'{waiting.credits_quoted}<span class="unit"> credit' in page
    assert '0<span class="unit"> credits</span></td>' in page
    customer = staff.get(f"/admin/customers/{alice.workspace.id}/").text
    assert f'data-label="Credits">{waiting.credits_quoted} held</td>' in customer
    assert 'data-label="Credits">0</td>' in customer


def test_the_list_takes_as_many_queries_and_counts_to_a_bound(toy: Model, alice: Visitor, staff: Client) -> None:
    factories.submitted(alice.workspace)
    staff.get(LIST)
    with CaptureQueriesContext(connection) as few:
        staff.get(LIST)
    for _ in range(2):
        factories.submitted(alice.workspace)
    with CaptureQueriesContext(connection) as many:
        staff.get(LIST)
    assert len(many) == len(few)
    counts = [each["sql"] for each in many if "COUNT(" in each["sql"] and "generation_generation" in each["sql"]]
    assert counts
    assert all(f"LIMIT {MOST_COUNTED}" in sql for sql in counts)


def test_the_newest_are_found_by_an_index(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "generation_newest" in Generation.objects.order_by("-created_at", "-id")[:50].explain()


def test_the_timeline_goes_through_the_processes(made: Generation, staff: Client) -> None:
    found = [(each.process, each.what) for each in clips.timeline(made, names_members=True)]
    assert found[0] == ("web", "Asked for, credits held, put into the queue")
    assert ("scheduler", "Handed to the GPUs, attempt 1") in found
    assert ("reports", "Ended: Succeeded") in found
    assert ("reports", f"Credits settled: {made.credits_quoted} charged, 0 given back") in found
    assert "How it went" in staff.get(f"{LIST}{made.id}/change/").text


def test_stages_stand_in_the_order_in_which_they_follow_each_other(made: Generation) -> None:
    Generation.objects.filter(id=made.id).update(
        started_at=made.created_at,
        stage_seconds={"uploading": 0.2, "loading": 1.0, "decoding": 0.5, "denoising": 3.5, "encoding_prompt": 0.4},
    )
    made.refresh_from_db()  # a database's JSON keeps no order
    expected = ["Loading", "Encoding prompt", "Denoising", "Decoding", "Uploading"]
    assert [stage for stage, _ in made.stages] == expected
    assert [
        each.what.partition(":")[0]
        for each in clips.timeline(made, names_members=True)
        if each.process.startswith("GPU")
    ][1:] == (expected)


def test_a_clip_is_started_again_or_cancelled_from_its_page(toy: Model, alice: Visitor, staff: Client) -> None:
    clip = factories.submitted(alice.workspace)
    page = f"{LIST}{clip.id}/change/"
    assert "/retry/" not in staff.get(page).text, "no GPU has it yet"
    dispatch.fill_window()
    assert f"/admin/clips/{clip.id}/retry/" in staff.get(page).text
    staff.post(f"/admin/clips/{clip.id}/retry/")
    clip.refresh_from_db()
    assert clip.excused_attempts == 1
    answer = staff.post(f"/admin/clips/{clip.id}/cancel/", follow=True).text
    assert "Cancelled." in answer
    clip.refresh_from_db()
    assert clip.state == State.CANCELLED
    assert "/cancel/" not in answer
    assert "is over" in staff.post(f"/admin/clips/{clip.id}/retry/", follow=True).text
    noted = AuditEntry.objects.filter(actor="staff staff@example.com", workspace=alice.workspace).order_by("id")
    assert [each.event for each in noted] == ["clip.retried", "clip.cancelled"]


def test_the_timeline_tells_what_became_of_mail_and_webhooks(made: Generation) -> None:
    at = made.finished_at
    assert at is not None
    times = {"created_at": at, "ended_at": at + timedelta(seconds=3), "expires_at": at + timedelta(days=1)}
    endpoint = Endpoint.objects.create(workspace=made.workspace, name="hook", url="https://example.org", event_types=[])
    Delivery.objects.create(
        **times,
        **{"endpoint": endpoint, "event_id": "evt_1", "event_type": "video.completed", "video_id": made.id},
        **{"state": "dead", "attempts": 12, "last_status": 503, "last_error": "The endpoint answered 503."},
    )
    MailMessage.objects.create(
        **times,
        **{"address": "alice@example.org", "content": "x.y", "occasion": "ready", "about": made.id},
        **{"state": "sent", "attempts": 1},
    )
    found = [(each.process, each.what) for each in clips.timeline(made, names_members=True)]
    assert ("mail", "Mail sent") in found
    gave_up = "failed after 12 attempts: The endpoint answered 503., last answer 503"
    assert ("webhooks", f"Webhook video.completed to hook: {gave_up}") in found
    assert not any("alice" in what for _, what in found)


def test_the_timeline_names_members_to_those_alone_who_may_look_customers_up(made: Generation) -> None:
    for actor in ("alice@example.org", "key lm_1f", "staff ada@example.com"):
        audit.record(made.workspace, "clip.made_private", actor=actor, subject=str(made.id))

    def by_hand(role: str) -> list[str]:
        page = browser_of_role(role).get(f"{LIST}{made.id}/change/")
        assert ("alice@example.org" in page.text) == (role == "Support")
        return [each.what for each in page.context["timeline"] if each.what.endswith("made private the clip")]

    others = ["key lm_1f made private the clip", "staff ada@example.com made private the clip"]
    assert by_hand("Support") == ["alice@example.org made private the clip", *others]
    assert by_hand("Catalogue") == ["a member made private the clip", *others]


def act(staff: Client, action: str, clip: Generation) -> str:
    return staff.post(LIST, {"action": action, "_selected_action": [str(clip.id)]}, follow=True).text


def test_a_clip_that_hangs_goes_to_another_attempt_and_keeps_its_credits(
    toy: Model, alice: Visitor, staff: Client
) -> None:
    clip = factories.submitted(alice.workspace)
    dispatch.fill_window()
    act(staff, "retry_selected", clip)
    clip.refresh_from_db()
    assert (clip.state, clip.excused_attempts) == (State.QUEUED, 1)
    assert AuditEntry.objects.get(subject=str(clip.id)).event == "clip.retried"


def test_a_clip_that_no_gpu_has_is_left_alone(made: Generation, staff: Client) -> None:
    assert "No GPU has this clip" in act(staff, "retry_selected", made)
    assert not AuditEntry.objects.filter(event="clip.retried").exists()


def test_a_row_says_one_credit(toy: Model, alice: Visitor, staff: Client) -> None:
    clip = factories.submitted(alice.workspace)
    for quoted, said in ((1, '1<span class="unit"> credit<'), (1_200, '1,200<span class="unit"> credits<')):
        Generation.objects.filter(id=clip.id).update(quote={**clip.quote, "credits": quoted})
        assert said in staff.get(LIST).text


def test_the_page_of_a_clip_is_called_after_its_model_its_customer_and_its_state(
    toy: Model, alice: Visitor, staff: Client
) -> None:
    clip = factories.submitted(alice.workspace)
    Generation.objects.filter(id=clip.id).update(created_at=timezone.now() - timedelta(minutes=48))
    page = staff.get(f"{LIST}{clip.id}/change/")
    title = f"Toy clip for Visitor {str(alice.workspace_id)[:8]}, queued for 48 min"
    assert f"<h1>{title}</h1>" in page.text
    trail = page.text.partition('class="breadcrumbs">')[2].partition("</div>")[0]
    assert trail.endswith(title)
    assert trail.count("Clips") == 1, "its section has the list's name"
    assert f">{clip.id}<" not in trail
    assert "closelink" not in page.text
    assert page.context["timeline"][-1].what == "Still waiting, 48 min"
    Generation.objects.filter(id=clip.id).update(
        state=State.DISPATCHED, dispatched_at=timezone.now() - timedelta(minutes=7)
    )
    assert ", handed to a GPU for 7 min</h1>" in staff.get(f"{LIST}{clip.id}/change/").text


def test_an_error_is_told_in_words_also_where_a_clip_ended(toy: Model, alice: Visitor, staff: Client) -> None:
    clip = factories.submitted(alice.workspace)
    Generation.objects.filter(id=clip.id).update(
        state=State.FAILED, error_code="out_of_memory", finished_at=timezone.now()
    )
    page = staff.get(f"{LIST}{clip.id}/change/")
    assert page.context["timeline"][-1].what == "Ended: Failed, out of memory"
    assert '<strong title="out_of_memory">Out of memory</strong>' in page.text


def test_a_clip_that_failed_says_why_it_cannot_be_started_again(toy: Model, alice: Visitor, staff: Client) -> None:
    clip = factories.submitted(alice.workspace)
    said = "Not from here: its credits are settled"
    assert said not in staff.get(f"{LIST}{clip.id}/change/").text
    Generation.objects.filter(id=clip.id).update(state=State.FAILED, finished_at=timezone.now())
    page = staff.get(f"{LIST}{clip.id}/change/")
    assert said in page.text
    assert "/retry/" not in page.text
    assert not page.context["timeline"][-1].what.startswith("Still")
