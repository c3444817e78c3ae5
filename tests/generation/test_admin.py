"""What staff see of requests and of the fleet."""

from __future__ import annotations

import pytest
import redis
from django.test import Client
from pytest_django import Settings

from accounts.models import User, Visitor
from catalog.models import Model
from generation import reports
from generation.models import Generation, State
from generation.scheduling import dispatch
from loremotion import __version__
from tests.generation import factories
from tests.generation.lost_work import heartbeat
from tests.generation.test_fleet_page import GB, heard


@pytest.fixture
def staff(db: None) -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("staff@example.com", "irrelevant"))
    return browser


def test_the_list_and_one_request(toy: Model, alice: Visitor, staff: Client) -> None:
    generation = factories.submitted(alice.workspace, "a private wish")
    listed = staff.get("/admin/generation/generation/").text
    assert str(generation.id) in listed
    assert "a private wish" not in listed
    assert "a private wish" in staff.get(f"/admin/generation/generation/{generation.id}/change/").text
    assert staff.get("/admin/generation/generation/add/").status_code == 403


def test_staff_cancel_through_the_service(toy: Model, alice: Visitor, staff: Client) -> None:
    generation = factories.submitted(alice.workspace)
    chosen = {"action": "cancel_selected", "_selected_action": [str(generation.id)]}
    staff.post("/admin/generation/generation/", chosen)
    generation.refresh_from_db()
    assert generation.state == State.CANCELLED


def test_the_fleet_page(staff: Client, valkey: redis.Redis) -> None:
    assert "No GPU worker" in staff.get("/admin/fleet/").text
    heartbeat(valkey, "gpu-7")
    assert "gpu-7" in staff.get("/admin/fleet/").text


def test_the_system_page(staff: Client, valkey: redis.Redis) -> None:
    valkey.rpush("rq:queue:mail", *range(417))
    valkey.zadd("rq:failed:stripe", dict.fromkeys(map(str, range(523)), 2e10))
    page = staff.get("/admin/system/")
    loads = {each["load"].name: each["load"] for each in page.context["queues"]}
    assert (loads["mail"].waiting, loads["mail"].running, loads["mail"].failed) == (417, 0, 0)
    assert loads["stripe"].failed == 523
    assert '<td class="figure">417</td>' in page.text
    assert '<span class="state bad">523</span>' in page.text
    assert "Why a job failed is in the log of its process" in page.text
    assert all(each["holds"] for each in page.context["queues"]), "each queue says what waits in it"


def test_the_system_page_shows_each_worker_by_its_heartbeat(staff: Client, valkey: redis.Redis) -> None:
    heartbeat(valkey, "gpu-7")
    heartbeat(valkey, "gpu-8")
    page = staff.get("/admin/system/")
    assert [worker["name"] for worker in page.context["workers"]] == ["gpu-7", "gpu-8"]
    assert "gpu-8</a>" in page.text


def test_the_system_page_tells_clips_in_the_queue_from_those_handed_to_gpus(
    toy: Model, alice: Visitor, staff: Client
) -> None:
    factories.submitted(alice.workspace)
    page = staff.get("/admin/system/")
    assert page.context["queued"] == 1
    assert "not handed to a worker yet" in page.text


def test_the_system_page_says_which_version_and_release_of_the_site_runs(staff: Client, settings: Settings) -> None:
    settings.RELEASE = "v9-3f2c1ab"
    assert f"<td>{__version__}, release v9-3f2c1ab</td>" in staff.get("/admin/system/").text
    settings.RELEASE = ""
    assert f'<th scope="row">LoreMotion</th><td>{__version__}</td>' in staff.get("/admin/system/").text


def test_the_fleet_page_shows_the_clip_on_the_card_and_the_one_before(
    toy: Model, alice: Visitor, staff: Client, valkey: redis.Redis
) -> None:
    on_the_card, delivered = factories.submitted(alice.workspace), factories.submitted(alice.workspace)
    heartbeat(valkey, "gpu-7", doing=on_the_card, delivering=delivered)
    page = staff.get("/admin/fleet/").text
    assert f"generation/{on_the_card.id}/change/" in page
    assert f"generation/{delivered.id}/change/" in page


def test_the_fleet_page_is_for_staff_who_may_see_requests(client: Client, db: None) -> None:
    person = User.objects.create_user("reader@example.com", "irrelevant", is_staff=True)
    client.force_login(person)
    assert client.get("/admin/fleet/").status_code == 403


def test_visitors_do_not_see_it(client: Client, db: None) -> None:
    assert client.get("/admin/fleet/").status_code == 302


def test_people_are_found_by_address(staff: Client) -> None:
    assert "staff@example.com" in staff.get("/admin/accounts/user/?q=staff").text
    assert staff.get("/admin/accounts/workspace/").status_code == 200


def test_a_waiting_clip_begins_with_the_reason_that_the_fleet_gives(
    toy: Model, alice: Visitor, staff: Client, valkey: redis.Redis
) -> None:
    clip = factories.submitted(alice.workspace)
    Generation.objects.filter(id=clip.id).update(needs_bytes=96 * GB, state=State.QUEUED)
    heard(valkey)
    why = "Needs 96 GB of one GPU, and the largest that takes clips has 16 GB."
    page = staff.get(f"/admin/generation/generation/{clip.id}/change/").text
    assert why in page.split("How it went")[0]
    assert why in staff.get("/admin/fleet/").text
    assert "Why this place" not in page, "no place gets it a GPU"
    assert "icon-no" not in page.split("Every other field of the row")[0], "a clip that all may see is no fault"


def test_a_clip_that_is_made_says_what_was_charged_and_gives_no_reason(
    toy: Model, alice: Visitor, staff: Client, valkey: redis.Redis
) -> None:
    clip = factories.submitted(alice.workspace)
    dispatch.fill_window()
    clip.refresh_from_db()
    factories.deliver_clip(clip)
    reports.finished(factories.report(clip).to_wire())
    page = staff.get(f"/admin/generation/generation/{clip.id}/change/")
    assert f"{clip.credits_quoted} charged" in page.text
    assert "why_waiting" not in page.context


def test_clips_are_chosen_by_preset(toy: Model, alice: Visitor, staff: Client) -> None:
    clip = factories.submitted(alice.workspace)
    clips = "/admin/generation/generation/"
    assert f"?preset={clip.preset}" in staff.get(clips).text
    assert [each.id for each in staff.get(f"{clips}?preset={clip.preset}").context["cl"].result_list] == [clip.id]
    assert not staff.get(f"{clips}?preset=another").context["cl"].result_list


def test_customers_are_searched_from_every_page_by_whoever_may(staff: Client, client: Client) -> None:
    for path in ("", "fleet/", "system/", "generation/generation/"):
        assert 'action="/admin/customers/"' in staff.get(f"/admin/{path}").text, path
    client.force_login(User.objects.create_user("nobody@example.com", is_staff=True))
    assert 'action="/admin/customers/"' not in client.get("/admin/").text
