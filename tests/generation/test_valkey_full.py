"""A Valkey without room takes nobody's request away, and what it could not take goes on once there is room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from accounts.models import Visitor
from catalog.models import Model
from generation.models import Generation
from generation.scheduling import dispatch
from generation.settlement import housekeeping
from loremotion import health
from tests.generation.conftest import ClientOf
from tests.generation.lost_work import in_a_while

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def full(valkey: redis.Redis) -> Iterator[redis.Redis]:
    """It refuses whatever would take memory, as ``noeviction`` asks of it."""
    valkey.config_set("maxmemory-policy", "noeviction")
    valkey.config_set("maxmemory", "1mb")
    with pytest.raises(redis.OutOfMemoryError):
        valkey.set("anything", "x")
    yield valkey
    valkey.config_set("maxmemory", "0")


def test_a_clip_is_taken_and_shown_and_dispatched_when_there_is_room(
    toy: Model, alice: Visitor, client_of: ClientOf, full: redis.Redis
) -> None:
    browser = client_of(alice)
    taken = browser.post("/generations/", {"prompt": "a fox"})
    assert (taken.status_code, browser.get(taken["Location"]).status_code) == (302, 200)
    no_write, memory = [fault.what for fault in health.faults()]
    assert no_write == "Valkey takes no write."
    assert memory.endswith("% of its memory.")
    full.config_set("maxmemory", "0")
    for _ in range(2):
        with in_a_while(3):
            housekeeping.beat()
    assert dispatch.render_queue().get_job_ids() == [Generation.objects.get().job_id]
