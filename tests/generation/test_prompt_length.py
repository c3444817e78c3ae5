"""What a model would not read of a prompt is said while it is typed, and refused when it is sent: page and API."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation
from tests.catalog.factories import make_model
from tests.catalog.test_prompt_length import PREVIEW
from tests.generation.conftest import ClientOf

FULL = " ".join(["red"] * 23)
OVERFULL = f"{FULL} circle moving right"


@pytest.fixture
def preview(db: None) -> Model:
    """The built-in model, which has its tokenizer everywhere, as the only model."""
    return make_model("preview", aliases=("default",), **PREVIEW)


def counted(client: Client, **said: str) -> dict[str, Any]:
    answer = client.post(reverse("generation:prompt-length"), {"model": "preview", **said})
    return {"status": answer.status_code, **answer.json()}


def test_the_count_says_what_would_not_be_read(preview: Model, client: Client) -> None:
    long = counted(client, prompt=OVERFULL)
    assert (long["tokens"], long["limit"], long["is_exact"]) == (26, 23, True)
    assert long["unread"] == "circle moving right"
    assert counted(client, prompt=FULL)["unread"] == ""
    assert counted(client, prompt=OVERFULL, preset="none such")["limit"] == 23
    assert counted(client, prompt=FULL, model="none-such")["status"] == 422


@pytest.mark.parametrize(
    ("prompt", "ignored"),
    [
        ("A cat surfing a red wave at the sunset, with a cat", ["cat", "surfing", "wave", "sunset"]),
        ("a red circle, moving right on a Black background!", []),
        ("Ein roter Kreis: \u732b caf\u00e9", ["Ein", "roter", "Kreis", "\u732b", "caf\u00e9"]),
        ("  ", []),
    ],
)
def test_the_built_in_model_names_the_words_that_it_does_not_know(
    preview: Model, client: Client, prompt: str, ignored: list[str]
) -> None:
    assert counted(client, prompt=prompt)["ignored"] == ignored


def test_other_models_ignore_no_word(db: None, client: Client) -> None:
    make_model("preview", aliases=("default",))
    assert counted(client, prompt="a cat surfing")["ignored"] == []


def test_a_clip_s_page_says_which_words_were_ignored(preview: Model, alice: Visitor, client_of: ClientOf) -> None:
    browser = client_of(alice)
    browser.post(reverse("generation:create"), {"prompt": "a cat surfing a red wave", "model": "preview"})
    shown = browser.get(reverse("generation:detail", args=[Generation.objects.get().id])).text
    assert 'It ignores: <strong dir="auto">cat, surfing, wave</strong>' in shown


def test_without_javascript_the_form_says_it_when_it_is_sent(preview: Model, client: Client) -> None:
    answer = client.post(reverse("generation:create"), {"prompt": OVERFULL, "model": "preview"})
    assert answer.status_code == 422
    assert "That&#x27;s 26 tokens" in answer.text
    assert "“circle moving right”" in answer.text
    assert OVERFULL in answer.text  # nothing that was typed is lost
    assert not Generation.objects.exists()


@pytest.mark.parametrize("prompt", ["\u200b\u2060", "\u3164", "\ufeff \u00ad"])
def test_a_prompt_that_nobody_can_see_is_no_prompt(preview: Model, client: Client, prompt: str) -> None:
    answer = client.post(reverse("generation:create"), {"prompt": prompt, "model": "preview"})
    assert answer.status_code == 422
    assert "The prompt is empty." in answer.text
    assert not Generation.objects.exists()


def test_the_api_refuses_with_field_limit_and_count(preview: Model, alice: Visitor, client_of: ClientOf) -> None:
    answer = client_of(alice).post("/v1/videos", {"prompt": OVERFULL}, content_type="application/json")
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    said = answer.json()
    assert (said["code"], said["error"]["param"]) == ("invalid_prompt", "prompt")
    assert (said["limit"], said["count"], said["is_exact"]) == (23, 26, True)
    assert not Generation.objects.exists()
