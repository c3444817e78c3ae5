"""Who pays gets clips without words in the corner; it is decided when a clip is asked for, and the receipt says it."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Visitor
from billing import ledger
from catalog.models import Model
from generation.models import Generation
from generation.scheduling import dispatch
from generation.settlement import retries, settle
from gpu_worker.contract import RenderJob
from tests.generation import factories
from tests.generation.conftest import ClientOf

pytestmark = pytest.mark.django_db(transaction=True)


def job_of(generation: Generation) -> RenderJob:
    return RenderJob.from_wire(generation.render_job(inputs={}, outputs={}).to_wire())


def buy_a_pack(visitor: Visitor) -> None:
    ledger.grant(
        account=visitor.workspace_id, reference=f"test:pack:{visitor.id}", amount=500, kind=ledger.LotKind.PACK
    )


def test_a_free_clip_carries_it_and_the_page_says_so(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    generation = factories.submitted(alice.workspace)
    assert job_of(generation).watermark == "LoreMotion"
    assert "watermark “LoreMotion”" in client_of(alice).get(f"/generations/{generation.id}/").content.decode()
    assert client_of(alice).get(f"/v1/videos/{generation.id}").json()["lm"]["watermark"] == "LoreMotion"
    settle.cancel(generation)
    assert "watermark" not in client_of(alice).get(f"/generations/{generation.id}/").content.decode()


def test_who_has_bought_credits_gets_none(toy: Model, alice: Visitor, client_of: ClientOf) -> None:
    buy_a_pack(alice)
    generation = factories.submitted(alice.workspace)
    assert job_of(generation).watermark == ""
    assert "watermark" not in client_of(alice).get(f"/generations/{generation.id}/").content.decode()
    assert client_of(alice).get(f"/v1/videos/{generation.id}").json()["lm"]["watermark"] is None


def test_what_is_queued_stays_as_it_was_asked_for(toy: Model, alice: Visitor) -> None:
    generation = factories.submitted(alice.workspace)
    buy_a_pack(alice)
    dispatch.fill_window()
    retries.requeue(generation_id=generation.id, attempt=1, code="worker_lost", reason="It fell silent.")
    generation.refresh_from_db()
    assert job_of(generation).watermark == "LoreMotion"


@pytest.mark.parametrize("words", ["", "Made by us"])
def test_the_site_says_which_words_or_none(toy: Model, alice: Visitor, settings: Any, words: str) -> None:
    settings.WATERMARK = words
    assert job_of(factories.submitted(alice.workspace)).watermark == words
