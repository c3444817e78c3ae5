"""What is refused costs nothing and leaves nothing; who asks for a review is answered, and what is allowed is made."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User, Visitor
from billing import ledger
from billing.models import Hold
from catalog.models import Model
from catalog.offers import make_offer
from catalog.requests import Ask
from generation.models import Generation
from generation.moderation import gate, reviews
from generation.moderation.models import Policy, RefusalCount, Review
from generation.settlement import deletion, settle
from generation.submission.submit import submit
from loremotion.outbox.models import MailMessage
from loremotion.refusals import Conflict, Invalid, TooMany
from tests.accounts import factories as people
from tests.generation.conftest import ClientOf

pytestmark = pytest.mark.django_db

HELD, REFUSED = "a naked woman on a bed", "hardcore porn"


@pytest.fixture
def staff() -> User:
    return people.person("staff@example.org", is_staff=True)


def asked(visitor: Visitor, prompt: str = HELD) -> Review:
    return reviews.ask(visitor.workspace, user=None, prompt=prompt)


def test_a_newcomer_is_refused_with_the_words_and_the_next_step(toy: Model, client: Client) -> None:
    page = client.post(reverse("generation:create"), {"prompt": REFUSED})
    assert page.status_code == 422
    assert "“porn”" in page.text
    assert "Nothing was charged" in page.text
    assert reverse("moderation:ask") in page.text
    assert not Visitor.objects.exists()
    assert not Generation.objects.exists()


def test_the_api_names_what_was_found(toy: Model, client_of: ClientOf, alice: Visitor) -> None:
    answer = client_of(alice).post(
        "/v1/videos", {"prompt": HELD}, content_type="application/json", headers={"X-CSRFToken": "none"}
    )
    said = answer.json()
    assert (answer.status_code, said["code"], said["error"]["param"]) == (422, gate.HELD, "prompt")
    assert "naked" in said["detail"]
    assert answer["x-should-retry"] == "false"


def test_nothing_is_held_for_what_is_refused(toy: Model, alice: Visitor) -> None:
    before = ledger.balance(account=alice.workspace.id)
    with pytest.raises(gate.PromptRefused):
        submit(workspace=alice.workspace, offer=make_offer(Ask(prompt=REFUSED)))
    assert ledger.balance(account=alice.workspace.id) == before
    assert not Hold.objects.exists()
    assert RefusalCount.objects.get().count == 1


def test_what_is_found_nothing_in_asks_the_store_nothing(alice: Visitor) -> None:
    with CaptureQueriesContext(connection) as queries:
        gate.refuse(alice.workspace, prompt="a red circle", negative_prompt="blur")
    assert not queries.captured_queries


def test_what_is_refused_again_and_again_is_counted_by_day(alice: Visitor) -> None:
    for _ in range(3):
        with pytest.raises(gate.PromptRefused):
            gate.refuse(alice.workspace, prompt=REFUSED, negative_prompt="")
    assert RefusalCount.objects.get(workspace=alice.workspace, category="sexual").count == 3


def test_what_staff_allows_is_made_in_these_words_and_in_this_workspace(
    toy: Model, alice: Visitor, bob: Visitor, staff: User
) -> None:
    reviews.decide(asked(alice).id, staff=staff, is_allowed=True, statement="A painting.")
    assert submit(workspace=alice.workspace, offer=make_offer(Ask(prompt=f"  {HELD}"))).prompt
    for workspace, prompt in ((bob.workspace, HELD), (alice.workspace, f"{HELD}, porn")):
        with pytest.raises(gate.PromptRefused):
            submit(workspace=workspace, offer=make_offer(Ask(prompt=prompt)))


def test_asked_twice_it_is_one_review_and_decided_twice_one_decision(alice: Visitor, staff: User) -> None:
    review = asked(alice)
    assert asked(alice) == review
    reviews.decide(review.id, staff=staff, is_allowed=False, statement="No.")
    reviews.decide(review.id, staff=staff, is_allowed=False, statement="Twice pressed.")
    assert asked(alice).statement == "No."
    with pytest.raises(Conflict):
        reviews.decide(review.id, staff=staff, is_allowed=True, statement="Yes.")


def test_nobody_fills_the_list_and_nothing_innocent_is_on_it(alice: Visitor) -> None:
    for number in range(reviews.MOST_WAITING):
        asked(alice, f"{HELD}, number {number}")
    with pytest.raises(TooMany):
        asked(alice, f"{HELD}, one more")
    with pytest.raises(Invalid, match="nothing wrong"):
        asked(alice, "a red circle")
    with pytest.raises(Invalid, match="characters"):
        reviews.ask(alice.workspace, user=None, prompt=REFUSED, plea="x" * (reviews.LONGEST_PLEA + 1))


def test_the_button_of_the_form_asks_and_the_page_tells(client_of: ClientOf, alice: Visitor, bob: Visitor) -> None:
    browser = client_of(alice)
    answer = browser.post(reverse("moderation:ask"), {"prompt": HELD, "model": "toy", "seconds": "1"}, follow=True)
    assert HELD in answer.text
    assert "Waiting" in answer.text
    assert HELD not in client_of(bob).get(reverse("moderation:reviews")).text
    assert browser.post(reverse("moderation:ask"), {"prompt": " "}).status_code == 422


def test_what_a_member_asks_is_read_by_them_and_the_owner_alone() -> None:
    owner, maker, other = (people.person(f"{name}@example.org") for name in ("owner", "maker", "other"))
    studio = people.team(owner, member=maker, admin=other)
    reviews.ask(studio, user=maker, prompt=HELD)
    address = reverse("moderation:reviews")
    shown = {user.email: HELD in people.browser_of(user, studio).get(address).text for user in (owner, maker, other)}
    assert shown == {owner.email: True, maker.email: True, other.email: False}


def test_the_words_of_a_deleted_clip_stay_in_no_review(toy: Model, alice: Visitor, staff: User) -> None:
    reviews.decide(asked(alice).id, staff=staff, is_allowed=True, statement="Yes.")
    generation = submit(workspace=alice.workspace, offer=make_offer(Ask(prompt=HELD)))
    settle.cancel(generation)
    generation.refresh_from_db()
    deletion.delete(generation)
    assert not Review.objects.exists()


def test_what_is_no_text_or_innocent_makes_nothing(toy: Model, client: Client) -> None:
    for prompt in ("naked\0 man", "a red circle"):
        assert client.post(reverse("moderation:ask"), {"prompt": prompt}).status_code == 422
    assert not Visitor.objects.exists()


def test_staff_decides_with_reasons_and_whoever_asked_has_mail(staff: User) -> None:
    member = people.person("member@example.org")
    studio = people.team(member)
    review = reviews.ask(studio, user=member, prompt=HELD, plea="It is art.")
    browser = people.browser_of(staff)
    assert HELD not in browser.get(reverse("admin:moderation_review_changelist")).text
    address = reverse("admin:moderation_review_decide", args=[review.id])
    page = browser.get(address).text
    assert "It is art." in page
    assert f'href="/admin/customers/{studio.id}/">Studio</a>' in page
    assert f"/admin/accounts/workspace/{studio.id}/" not in page, "the row, of which nobody asked"
    trail = page.split('class="breadcrumbs">')[1].split("</div>")[0]
    assert [*re.findall(">([^<]+)</a>", trail)][:3] == ["Home", "Clips", "Reviews"]
    assert ">Cancel</a>" in page.split('class="submit-row"')[1]
    assert (
        browser.post(address, {"allow": "1", "statement": ""}).status_code == 200
    )  # without reasons nothing is decided
    browser.post(address, {"allow": "1", "statement": "We see that it is art."})
    review.refresh_from_db()
    assert (review.state, review.decided_by) == (Review.State.ALLOWED, staff)
    content = reviews.decided_content(MailMessage.objects.get())
    assert content is not None
    assert content.context["review"] == review


def test_who_may_only_look_decides_nothing(alice: Visitor) -> None:
    review = asked(alice)
    somebody = people.person("looker@example.org")
    User.objects.filter(id=somebody.id).update(is_staff=True)
    browser = people.browser_of(User.objects.get(id=somebody.id))
    answer = browser.post(
        reverse("admin:moderation_review_decide", args=[review.id]), {"allow": "1", "statement": "Yes."}
    )
    assert answer.status_code == 403
    assert Review.objects.get().state == Review.State.WAITING


def test_a_workspace_that_staff_trusts_is_judged_by_its_own_measure(alice: Visitor) -> None:
    Policy.objects.create(workspace=alice.workspace, strictness="relaxed", reason="An art school")
    gate.refuse(alice.workspace, prompt=HELD, negative_prompt="")
    with pytest.raises(gate.PromptRefused):
        gate.refuse(alice.workspace, prompt="a nude child", negative_prompt="")


def test_what_was_decided_long_ago_is_forgotten_and_what_waits_is_not(alice: Visitor, staff: User) -> None:
    old, waits = asked(alice), asked(alice, REFUSED)
    reviews.decide(old.id, staff=staff, is_allowed=False, statement="No.")
    Review.objects.update(created_at=timezone.now() - timedelta(days=100))
    Review.objects.filter(id=old.id).update(decided_at=timezone.now() - timedelta(days=100))
    with pytest.raises(gate.PromptRefused):
        gate.refuse(alice.workspace, prompt=REFUSED, negative_prompt="")
    RefusalCount.objects.update(day=timezone.now() - timedelta(days=100))
    assert reviews.forget_old() == 1
    assert list(Review.objects.all()) == [waits]
    assert not RefusalCount.objects.exists()


def test_a_review_that_never_was_has_no_mail() -> None:
    assert reviews.decided_content(MailMessage(about=uuid4(), workspace_id=uuid4())) is None
