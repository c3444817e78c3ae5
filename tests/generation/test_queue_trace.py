"""A site's own queue as a trace that names nobody, and that forecasts are tried on."""

from __future__ import annotations

import io
import json
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import Visitor
from benchmarks import forecast, forecast_recorded
from benchmarks.forecast_world import Order
from catalog.models import Model
from generation.models import Generation, State
from generation.scheduling import dispatch
from generation.settlement import settle
from generation.tiers import FREE_BEGINS
from tests.generation import factories

STAGES = {
    "loading": 3.0,
    "encoding_prompt": 0.5,
    "denoising": 8.0,
    "decoding": 1.5,
    "encoding_video": 9.0,
    "uploading": 7.0,
}
TRACES = Path(forecast.__file__).parent / "traces"
SHIPPED, GROWING = TRACES / "preview.json", TRACES / "rush.json"


@pytest.fixture
def made(toy: Model, alice: Visitor, bob: Visitor) -> list[Generation]:
    clips = [
        factories.submitted(who.workspace, prompt=f"secret words of {n}", seconds=1 + n % 2)
        for n, who in enumerate((alice, bob, alice))
    ]
    for clip in clips:
        dispatch.fill_window()
        clip.refresh_from_db()
        assert settle.start(generation_id=clip.id, attempt=1, worker="gpu-secret")
        factories.deliver_clip(clip)
        assert settle.settle(factories.report(clip, stage_seconds=STAGES, worker="gpu-secret"))
    return clips


def recorded() -> dict[str, Any]:
    out = io.StringIO()
    call_command("queue_trace", "--days", "1", stdout=out, stderr=io.StringIO())
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_it_says_what_came_and_what_it_took(made: list[Generation]) -> None:
    trace = recorded()
    assert (len(trace["machines"]), len(trace["models"]), len(trace["kinds"])) == (1, 1, 2)
    assert [clip[1] for clip in trace["clips"]] == [0, 1, 0]
    assert [clip[3] for clip in trace["clips"]] == [0, 1, 0]
    assert [clip[4] for clip in trace["clips"]] == [clip.credits_quoted for clip in made]
    assert all(clip[5:] == [3.0, 8.0, 2.0] for clip in trace["clips"])
    assert trace["clips"][0][0] == 0.0
    assert {bool(clip[2]) for clip in trace["clips"]} == {made[0].fair_finish >= FREE_BEGINS}


def test_it_names_nobody_and_nothing(made: list[Generation], toy: Model) -> None:
    text = json.dumps(recorded())
    ids = [str(each) for clip in made for each in (clip.id, clip.workspace_id, clip.created_at.date())]
    for word in ("secret", toy.slug, toy.name, *ids):
        assert word not in text
    assert set(recorded()) == {"format", "machines", "models", "kinds", "clips"}


def test_what_was_not_made_or_only_in_part_here_is_left_out(made: list[Generation]) -> None:
    Generation.objects.filter(id=made[0].id).update(state=State.FAILED)
    Generation.objects.filter(id=made[1].id).update(resumed_from_step=2)
    Generation.objects.filter(id=made[2].id).update(needs_bytes=-1)
    assert recorded()["clips"] == []


def test_a_recorded_world_takes_the_seconds_that_were_recorded() -> None:
    trace = forecast_recorded.read(SHIPPED)
    world = forecast_recorded.RecordedWorld(trace, faster=2.0)
    took: dict[str, float] = {}
    came: list[float] = []
    world.at_arrival = lambda order: came.append(order.at)
    world.at_end = lambda order: took.update({order.id: order.step_seconds * order.build.steps + order.rest_seconds})
    world.run()
    assert came[: len(trace.clips)] == [clip[0] / 2 for clip in trace.clips], "twice as fast"
    for number, clip in enumerate(trace.clips):
        assert took[str(number)] == pytest.approx(max(1e-3, clip[6]) + max(1e-3, clip[7]))


def test_others_come_after_the_recording_while_any_of_its_clips_waits() -> None:
    trace = forecast_recorded.read(GROWING)

    def play() -> list[Order]:
        world = forecast_recorded.RecordedWorld(trace)
        came: list[Order] = []
        world.at_arrival = came.append
        world.run()
        return came

    came = play()
    own, others = came[: len(trace.clips)], came[len(trace.clips) :]
    assert [order.at for order in own] == [clip[0] for clip in trace.clips]
    last_start = max(order.started or 0.0 for order in own)
    assert {order.build.name for order in others} == {order.build.name for order in own}
    assert others[0].at >= own[-1].at
    assert others[-2].at <= last_start, "after that the one who is drawn already is the last"
    gaps = [after - before for before, after in pairwise(clip[0] for clip in trace.clips)]
    assert last_start - own[-1].at == pytest.approx(len(others) * fmean(gaps), rel=0.25), "as often as before"
    assert [(order.at, order.started) for order in play()] == [(order.at, order.started) for order in came]


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text('{"format": 99}')
    with pytest.raises(SystemExit, match="no trace of format 1"):
        forecast_recorded.read(tmp_path / "odd.json")
