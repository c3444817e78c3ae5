"""A draft shows for less how a clip comes out, and is finished for the difference: once, with the same seed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Visitor
from billing import allowance, ledger
from catalog import versions
from catalog.models import Model
from generation.drafts.models import Draft
from generation.models import Clip, Generation
from generation.scheduling import dispatch
from generation.settlement import deletion, settle
from generation.submission import finishing
from gpu_worker.contract import Outcome
from tests.catalog.factories import draft_version
from tests.generation import factories
from tests.generation.conftest import ClientOf

pytestmark = pytest.mark.django_db
WHOLE, DRAFT = 11, 4
"""Credits of the model's default clip, and of its draft, which has three steps of eight."""


@pytest.fixture
def maker(toy: Model) -> Visitor:
    return factories.visitor(credits=500)


@pytest.fixture
def browser(maker: Visitor, client_of: ClientOf) -> Client:
    return client_of(maker)


def make_draft(browser: Client, **said: str) -> Generation:
    answer = browser.post("/generations/", {"prompt": "a red circle", "draft": "1", **said})
    assert answer.status_code == 302, answer.text
    return latest()


def latest() -> Generation:
    return Generation.objects.select_related("version__model", "workspace").latest("created_at")


def end(made: Generation, outcome: Outcome = Outcome.SUCCEEDED) -> Generation:
    dispatch.fill_window()
    made.refresh_from_db()
    assert settle.start(generation_id=made.id, attempt=made.attempt, worker="gpu-test")
    factories.deliver_clip(made)
    settle.settle(factories.report(made, outcome))
    made.refresh_from_db()
    return made


def finish(browser: Client, draft: Generation) -> Generation:
    answer = browser.post(f"/generations/{draft.id}/finish/")
    assert answer.status_code == 302, answer.text
    return Generation.objects.get(id=answer["Location"].split("/")[2])


def charged(clip: Generation) -> int:
    return ledger.receipt(reference=clip.id).captured


def test_a_draft_and_its_whole_clip_cost_together_what_the_clip_costs(browser: Client, maker: Visitor) -> None:
    draft = end(make_draft(browser, seed="7"))
    assert (draft.seed, draft.steps, charged(draft)) == (7, 3, DRAFT)
    page = browser.get(f"/generations/{draft.id}/").text
    assert f"Finish this one · {WHOLE - DRAFT} credits" in page
    whole = end(finish(browser, draft))
    same = ("prompt", "seed", "width", "height", "num_frames", "fps", "mode", "version_id")
    assert [getattr(whole, name) for name in same] == [getattr(draft, name) for name in same]
    assert (whole.steps, whole.preset, charged(whole)) == (8, "standard", WHOLE - DRAFT)


def test_both_receipts_say_what_the_other_cost(browser: Client) -> None:
    draft = end(make_draft(browser))
    whole = end(finish(browser, draft))
    page = browser.get(f"/generations/{whole.id}/").text
    assert f"Less {DRAFT} credits paid for the draft" in page
    assert f"that cost {DRAFT} credits: {WHOLE} in all." in page
    assert f"/generations/{whole.id}/" in browser.get(f"/generations/{draft.id}/").text
    assert "Finish this one" not in browser.get(f"/generations/{draft.id}/").text


def test_a_draft_is_finished_once_however_often_that_is_asked_for(browser: Client, maker: Visitor) -> None:
    draft = end(make_draft(browser))
    first = finish(browser, draft)
    assert finish(browser, draft) == first
    end(first)
    assert finish(browser, draft) == first
    assert Generation.objects.of(maker.workspace).count() == 2


def test_after_a_failure_it_can_be_finished_again_for_the_same_price(browser: Client) -> None:
    draft = end(make_draft(browser))
    first = finish(browser, draft)
    settle.cancel(first)
    again = finish(browser, draft)
    assert (again != first, again.credits_quoted) == (True, WHOLE - DRAFT)


def test_what_is_no_draft_or_not_ready_is_not_finished(browser: Client) -> None:
    draft = make_draft(browser)
    assert browser.post(f"/generations/{draft.id}/finish/").status_code == 409
    assert "Finish this one" not in browser.get(f"/generations/{draft.id}/").text
    settle.cancel(draft)
    browser.post("/generations/", {"prompt": "a red circle"})
    assert browser.post(f"/generations/{end(latest()).id}/finish/").status_code == 409


def test_a_cheaper_preset_makes_the_draft(client_of: ClientOf, db: None) -> None:
    presets = {"fast": {"steps": 4, "guidance_scale": 1.0}, "fine": {"steps": 20, "guidance_scale": 1.0}}
    prices = {"fast": {"360p": 1_000}, "fine": {"360p": 5_000}}
    factories.model(presets=presets, prices=prices, default_preset="fine")
    draft = make_draft(client_of(factories.visitor(credits=100)))
    assert (draft.preset, draft.steps) == ("fast", 4)
    assert Draft.objects.values_list("final_preset", "final_steps").get() == ("fine", 20)


def test_no_draft_is_made_where_none_is_cheaper(client_of: ClientOf, db: None) -> None:
    factories.model(prices={"standard": {"360p": 1}})
    browser = client_of(factories.visitor(credits=100))
    answer = browser.post("/generations/", {"prompt": "a red circle", "draft": "1"})
    assert (answer.status_code, "costs as much as the clip itself" in answer.text) == (422, True)
    assert not Generation.objects.exists()


def test_the_price_beside_the_button_is_that_of_the_draft_with_what_finishing_takes(browser: Client) -> None:
    said = browser.get("/generations/price/", {"draft": "1", "times": "2"}).json()
    assert (said["credits"], said["to_finish"]) == (2 * DRAFT, WHOLE - DRAFT)
    assert "to_finish" not in browser.get("/generations/price/").json()


def test_several_drafts_have_a_seed_each_and_are_sent_once(browser: Client, maker: Visitor) -> None:
    for _ in range(2):
        browser.post("/generations/", {"prompt": "a red circle", "draft": "1", "times": "2", "sending": "one"})
    made = Generation.objects.of(maker.workspace)
    assert made.count() == Draft.objects.count() == len(set(made.values_list("seed", flat=True))) == 2


def test_a_draft_of_somebody_else_is_not_there(browser: Client, client_of: ClientOf) -> None:
    draft = end(make_draft(browser))
    assert client_of(factories.visitor(credits=100)).post(f"/generations/{draft.id}/finish/").status_code == 404


def test_whoever_has_too_few_credits_for_the_difference_finishes_nothing(client_of: ClientOf, db: None) -> None:
    daily = allowance.daily_credits(None, is_signed_in=False)
    factories.model(prices={"standard": {"360p": 1_000 * daily}})  # two seconds take two days' credits
    browser = client_of(factories.visitor(credits=daily - 1))
    draft = end(make_draft(browser))
    assert browser.post(f"/generations/{draft.id}/finish/").status_code == 402
    assert Draft.objects.get().final_id is None


def test_while_a_draft_is_made_its_page_says_that_it_can_be_finished(browser: Client) -> None:
    draft = make_draft(browser)
    assert "Once it's ready, you can finish it" in browser.get(f"/generations/{draft.id}/").text
    end(draft)
    assert "Finished from" in browser.get(f"/generations/{finish(browser, draft).id}/").text  # that is open, too


@pytest.mark.parametrize("why", ["old", "gone"])
def test_a_draft_can_be_finished_for_a_while_and_while_its_clip_is_there(browser: Client, why: str) -> None:
    draft = end(make_draft(browser))
    week_ago = timezone.now() - finishing.LASTS
    clip = Clip.objects.filter(generation=draft)
    clip.update(expires_at=timezone.now() + timedelta(days=30))
    Generation.objects.update(finished_at=week_ago + timedelta(hours=1))
    assert "Finish this one" in browser.get(f"/generations/{draft.id}/").text
    if why == "old":
        Generation.objects.update(finished_at=week_ago)
    else:
        clip.delete()
    assert "Finish this one" not in browser.get(f"/generations/{draft.id}/").text
    assert browser.post(f"/generations/{draft.id}/finish/").status_code == 409
    assert Generation.objects.get() == draft


def test_whoever_may_not_use_the_model_of_today_finishes_no_draft_of_its_last_version(
    browser: Client, toy: Model
) -> None:
    draft = end(make_draft(browser))
    same = {name: getattr(draft.version, name) for name in ("family", "source", "modes", "sizes", "presets", "prices")}
    versions.write(draft_version(toy, **same, blocked_territories=["US"]), by=None)
    answer = browser.post(f"/generations/{draft.id}/finish/")
    assert (answer.status_code, "licensed" in answer.text) == (451, True)
    assert Generation.objects.get() == draft


def test_the_words_of_a_draft_that_is_deleted_while_it_is_finished_are_in_no_clip(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = end(make_draft(browser))

    def delete_meanwhile(generation: Generation) -> list[Any]:
        deletion.delete(Generation.objects.get(id=generation.id))
        return []

    monkeypatch.setattr(finishing, "_inputs", delete_meanwhile)
    assert browser.post(f"/generations/{draft.id}/finish/").status_code == 409
    assert not Generation.objects.filter(prompt="a red circle").exists()
