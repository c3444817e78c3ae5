"""The guard model's word counts beside the rules', within its time, and its silence means what its row says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import Visitor
from billing.shop.models import Plan
from catalog.models import Model
from generation.models import Generation
from generation.moderation import gate, guard, guard_labels, reviews
from generation.moderation.models import Guard, PlanPolicy, Policy, RefusalCount, Review
from generation.moderation.verdict import Category, Outcome
from loremotion.local.ports import free_port
from loremotion.refusals import Unavailable
from tests.generation import factories
from tests.generation.conftest import ClientOf
from tests.generation.test_uploads import picture_file
from tests.moderation.guard_service import Service, serving

pytestmark = pytest.mark.django_db

FRESH = "two people without a stitch on"
"""No word of it is in the rules."""


@pytest.fixture
def service(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """It finds FRESH sexual, and whatever has "tomb" in it hateful beyond doubt."""

    def score(text: str) -> dict[str, float]:
        return {"sexual": 0.9 if "stitch" in text else 0.1, "hate": 0.99 if "tomb" in text else 0.0, "other": 1.0}

    with serving(score) as running:
        settings.GUARD_URL = running.url
        Guard.objects.update(timeout_ms=30_000)  # nobody gives up on a busy machine
        guard._scores.cache_clear()
        monkeypatch.setattr(guard, "_rest", guard._Rest())
        yield running


def said_of(prompt: str, workspace: Any = None, **more: Any) -> tuple[Outcome, Category | None]:
    verdict = gate.judge(workspace, prompt=prompt, negative_prompt="", **more)
    return verdict.outcome, verdict.category


def test_without_an_address_nobody_is_asked(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert said_of(FRESH) == (Outcome.ALLOWED, None)


def test_what_it_finds_is_held_or_refused_by_its_labels(service: Service) -> None:
    assert said_of("a quiet lake") == (Outcome.ALLOWED, None)
    assert said_of(FRESH) == (Outcome.HELD, Category.SEXUAL)
    assert said_of("a tomb") == (Outcome.REFUSED, Category.HATE)


def test_it_is_asked_once_of_the_same_prompt_and_not_of_what_the_rules_refuse(service: Service) -> None:
    for _ in range(3):
        gate.judge(None, prompt=FRESH, negative_prompt="blurry")
    gate.judge(None, prompt="hardcore porn", negative_prompt="")
    assert service.asked == [{"input": [FRESH]}]


def test_the_model_and_the_token_go_along(service: Service, settings: Settings) -> None:
    settings.GUARD_TOKEN = "s3cret"
    Guard.objects.update(model="omni")
    said_of("a lake")
    assert (service.asked[0]["model"], service.tokens) == ("omni", ["Bearer s3cret"])


def test_a_row_that_is_switched_off_asks_nobody(service: Service) -> None:
    Guard.objects.update(is_enabled=False)
    assert said_of(FRESH) == (Outcome.ALLOWED, None)
    assert not service.asked


def test_a_workspace_or_a_plan_that_is_judged_by_the_relaxed_measure_decides_on_what_is_sexual_itself(
    service: Service, alice: Visitor
) -> None:
    assert said_of(FRESH, alice.workspace) == (Outcome.HELD, Category.SEXUAL)
    PlanPolicy.objects.create(plan=Plan.objects.get(slug=Plan.FREE), strictness="relaxed")
    assert said_of(FRESH, alice.workspace) == (Outcome.ALLOWED, None)
    assert said_of("a tomb", alice.workspace) == (Outcome.REFUSED, Category.HATE)
    Policy.objects.create(workspace=alice.workspace, strictness="standard", reason="They asked for it.")
    assert said_of(FRESH, alice.workspace) == (Outcome.HELD, Category.SEXUAL)


def test_who_is_held_pays_nothing_and_may_ask_for_a_review(
    service: Service, toy: Model, client_of: ClientOf, alice: Visitor
) -> None:
    page = client_of(alice).post(reverse("generation:create"), {"prompt": FRESH})
    assert page.status_code == 422
    assert "as a whole" in page.text
    assert not Generation.objects.exists()
    review = reviews.ask(alice.workspace, user=None, prompt=FRESH)
    assert (review.category, review.words) == ("sexual", [])
    Review.objects.update(state=Review.State.ALLOWED)
    gate.refuse(alice.workspace, prompt=FRESH, negative_prompt="")


@pytest.mark.parametrize("status", [500, 401, 302])
def test_an_answer_that_is_none_is_a_failure(service: Service, status: int, caplog: pytest.LogCaptureFixture) -> None:
    service.status = status
    assert said_of(FRESH) == (Outcome.ALLOWED, None)
    assert f"it answered {status}" in caplog.text
    assert "stitch" not in caplog.text


def test_a_text_that_it_does_not_read_to_its_end_is_held(service: Service) -> None:
    """By default its failures let prompts pass: a long one would be a way by it."""
    service.status = 413
    assert said_of(FRESH) == (Outcome.HELD, Category.UNJUDGED)
    service.status = 200
    assert said_of("a quiet lake " * 1_000 + FRESH) == (Outcome.HELD, Category.SEXUAL)


class TestSilence:
    @pytest.fixture(autouse=True)
    def silent(self, service: Service) -> None:
        service.silence.clear()
        Guard.objects.update(timeout_ms=10)

    def test_by_default_the_rules_alone_decide(self) -> None:
        assert said_of(FRESH) == (Outcome.ALLOWED, None)

    def test_held_leads_to_a_review_and_counts_against_nobody(self, alice: Visitor) -> None:
        Guard.objects.update(on_failure="held")
        with pytest.raises(gate.PromptRefused, match="couldn't check"):
            gate.refuse(alice.workspace, prompt=FRESH, negative_prompt="")
        assert not RefusalCount.objects.exists()
        assert reviews.ask(alice.workspace, user=None, prompt=FRESH).category == "unjudged"

    def test_closed_takes_nothing(self, toy: Model, client: Client) -> None:
        Guard.objects.update(on_failure="closed")
        with pytest.raises(Unavailable):
            said_of(FRESH)
        answer = client.post("/v1/videos", {"prompt": FRESH}, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (503, "prompt_unjudged")
        assert not Generation.objects.exists()

    def test_one_text_that_takes_it_long_has_no_other_pass_it_by(self, service: Service) -> None:
        assert said_of("a text that takes it long") == (Outcome.ALLOWED, None)
        assert guard._rest.until == 0.0
        service.silence.set()
        Guard.objects.update(timeout_ms=30_000)
        assert said_of(FRESH) == (Outcome.HELD, Category.SEXUAL)

    def test_nobody_asks_for_a_moment_while_it_cannot_be_reached(self, settings: Settings) -> None:
        address, settings.GUARD_URL = settings.GUARD_URL, f"http://127.0.0.1:{free_port()}/"
        assert said_of("a lake") == (Outcome.ALLOWED, None)
        guard._rest.until += 3_600
        settings.GUARD_URL = address
        assert said_of(FRESH) == (Outcome.ALLOWED, None)

    def test_when_it_answers_again_it_is_asked_again(self, service: Service) -> None:
        said_of(FRESH)
        service.silence.set()
        Guard.objects.update(timeout_ms=30_000)
        assert said_of(FRESH) == (Outcome.HELD, Category.SEXUAL)


def test_what_a_file_is_called_is_looked_at_with_the_prompt(client_of: ClientOf, alice: Visitor) -> None:
    factories.model(modes=["text", "image"])
    picture = picture_file()
    picture.name = "my_daughter-10-years_old.jpg"
    page = client_of(alice).post(reverse("generation:create"), {"prompt": "she is nude", "image": picture})
    assert page.status_code == 422
    assert "With the name of the file" in page.text
    assert RefusalCount.objects.get().category == "sexual_minors"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("IMG_2041.JPG", "IMG 2041"),
        ("a.b-c_d.jpeg", "a b c d"),
        ("no ending here", "no ending here"),
        ("one. sentence of words", "one  sentence of words"),
        ("", ""),
    ],
)
def test_the_words_of_a_name(name: str, words: str) -> None:
    assert gate.words_of_file_name(name) == words


def test_labels_that_mean_nothing_are_refused() -> None:
    guard_labels.validate(guard_labels.usual())
    wrongs: tuple[Any, ...] = (
        {},
        [],
        {"x": {}},
        {"x": {"category": "sexual"}},
        {"x": {"category": "odd", "held": 0.5}},
    )
    for wrong in wrongs:
        with pytest.raises(ValidationError):
            guard_labels.validate(wrong)
    for score in (0, 1.1, True, "0.5"):
        with pytest.raises(ValidationError):
            guard_labels.validate({"x": {"category": "sexual", "held": score}})
