"""A render's clock: what is told, when, and how long it took."""

from __future__ import annotations

import pytest

from gpu_worker.contract import Progress, Stage
from gpu_worker.engine import RenderStopped
from gpu_worker.engine.video.stages import StageClock


class Render:
    """A clock that is set by hand, and what the render told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.told: list[Progress] = []
        self.is_unwanted = False
        self.clock = StageClock(
            steps_total=4,
            on_progress=self.told.append,
            should_stop=lambda: self.is_unwanted,
            clock=lambda: self.now,
        )

    def spend(self, seconds: float, stage: Stage) -> None:
        self.clock.enter(stage)
        self.now += seconds


def test_seconds_are_kept_by_stage_also_when_one_comes_twice() -> None:
    render = Render()
    for seconds, stage in ((1, Stage.LOADING), (2, Stage.ENCODING_PROMPT), (4, Stage.LOADING), (8, Stage.DENOISING)):
        render.spend(seconds, stage)
    assert render.clock.finish() == {"loading": 5, "encoding_prompt": 2, "denoising": 8}
    assert [p.stage for p in render.told] == ["loading", "encoding_prompt", "loading", "denoising"]


def test_entering_a_stage_again_says_nothing() -> None:
    render = Render()
    render.spend(1, Stage.LOADING)
    render.spend(1, Stage.LOADING)
    assert len(render.told) == 1


def test_the_pace_is_that_of_denoising_alone() -> None:
    render = Render()
    render.spend(100, Stage.LOADING)
    render.spend(6, Stage.DENOISING)
    render.clock.step_done(2, 4)
    assert render.told[-1].seconds_per_step == 3
    assert (render.told[-1].step, render.told[-1].steps_total) == (2, 4)


def test_the_pace_leaves_out_decoding_between_two_passes() -> None:
    render = Render()
    for seconds, stage in ((4, Stage.DENOISING), (50, Stage.DECODING), (2, Stage.DENOISING)):
        render.spend(seconds, stage)
    render.clock.step_done(3, 4)
    assert render.told[-1].seconds_per_step == 2


def test_steps_can_begin_anew() -> None:
    render = Render()
    render.spend(9, Stage.DENOISING)
    render.clock.step_done(3, 4)
    render.clock.enter(Stage.LOADING)
    render.clock.restart_steps()
    render.spend(2, Stage.DENOISING)
    render.clock.step_done(1, 4)
    assert render.told[-1].seconds_per_step == 2


def test_no_stage_begins_when_the_render_is_not_wanted() -> None:
    render = Render()
    render.spend(3, Stage.LOADING)
    render.is_unwanted = True
    with pytest.raises(RenderStopped) as stopped:
        render.clock.enter(Stage.DENOISING)
    assert stopped.value.stage_seconds == {"loading": 3}
    assert (stopped.value.steps_done, stopped.value.steps_total) == (0, 4)
    assert len(render.told) == 1


def test_time_of_a_pause_is_of_no_stage() -> None:
    render = Render()
    render.spend(3, Stage.DECODING)
    render.clock.pause()
    render.now += 300
    assert render.clock.seconds == {"decoding": 3}
    render.spend(2, Stage.ENCODING_VIDEO)
    assert render.clock.finish() == {"decoding": 3, "encoding_video": 2}
