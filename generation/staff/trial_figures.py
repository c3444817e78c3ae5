"""What a test render shows of a version: how far it has come, and what it took against what was expected of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from catalog import costs, measurements
from catalog.sizes import Size
from generation.api.presentation import STAGES
from generation.live import progress
from generation.models import Generation, State
from generation.scheduling import wait
from generation.staff import clips
from generation.staff.tiles import duration
from gpu_worker.contract import OFF_THE_CARD, Progress, Stage, in_order

GPU_TIME: Final = "GPU time, loading apart"
_SPACE: Final = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class StageShown:
    """One stage of the way, as a line with a bar."""

    title: str
    seconds: float | None
    """None while it is not over."""
    state: str
    """``done``, ``now`` or ``next``."""


@dataclass(frozen=True, slots=True)
class TrialProgress:
    """How far an open trial has come."""

    said: str
    ready: str
    percent: int | None
    """Of the render; None before it begins."""
    since: str


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure as measured, beside what was expected. ``expected`` is empty where nobody knew."""

    label: str
    measured: str
    expected: str
    difference: str
    is_worse: bool = False


def trial_progress(trial: Generation) -> TrialProgress | None:
    """Return how far the trial has come, and when it is ready; None once it has ended."""
    if not trial.is_open:
        return None
    asked = duration(max(0.0, (timezone.now() - trial.created_at).total_seconds()))
    if trial.state != State.RUNNING:
        found = clips.waiting(trial)
        said = found.get("why_waiting") or "It waits in the queue."
        return TrialProgress(said, found.get("ready", ""), None, asked)
    seen, expected = progress.latest(trial.id), wait.expectations([trial]).get(trial.id)
    ready = wait.ready_in_words(expected) if expected is not None else ""
    return TrialProgress(_doing(trial, seen), ready, seen.percent if seen is not None else None, asked)


def _doing(trial: Generation, seen: Progress | None) -> str:
    where = f" on {trial.worker}" if trial.worker else ""
    if seen is None or not seen.stage:
        return f"Rendering{where}."
    step = f", step {seen.step} of {seen.steps_total}" if seen.steps_total else ""
    pace = f", {seen.seconds_per_step:.1f}{_SPACE}s a step" if seen.seconds_per_step else ""
    return f"{_title(seen.stage)}{where}{step}{pace}."


def _title(stage: str) -> str:
    return STAGES.get(stage, stage.replace("_", " ").capitalize())


def stages(trial: Generation) -> list[StageShown]:
    """Return every stage in its order: with its seconds where the trial has ended, else with where it is now."""
    if not trial.is_open:
        return [StageShown(_title(stage), seconds, "done") for stage, seconds in in_order(trial.stage_seconds)]
    seen = progress.latest(trial.id) if trial.state == State.RUNNING else None
    names = [stage.value for stage in Stage]
    at = names.index(seen.stage) if seen is not None and seen.stage in names else -1
    return [
        StageShown(_title(name), None, "done" if place < at else "now" if place == at else "next")
        for place, name in enumerate(names)
    ]


def gpu_seconds(trial: Generation) -> float:
    """Return for how long it kept its card from others once its weights were loaded, as reference speeds count too; of
    several cards, those of each."""
    apart = {Stage.LOADING.value, *OFF_THE_CARD}
    return trial.cards * sum(float(seconds) for stage, seconds in trial.stage_seconds.items() if stage not in apart)


def compare(trial: Generation) -> list[Compared]:
    """Return what a finished trial took, beside what its row let expect, and what that means for its price."""
    if trial.state != State.SUCCEEDED:
        return []
    found = [_time(trial)] if trial.stage_seconds else []
    found += [_memory(trial)] if trial.peak_bytes else []
    return [*found, _price(trial)]


def _time(trial: Generation) -> Compared:
    took = gpu_seconds(trial)
    size = Size(trial.width, trial.height)
    expected = costs.reference_gpu_seconds(trial.version, size=size, frames=trial.num_frames, steps=trial.steps)
    said = f"{took:.1f}{_SPACE}s, {took / trial.seconds:.1f}{_SPACE}s for each second of video"
    if not expected:
        return Compared(GPU_TIME, said, "", "")
    card = trial.version.reference_speed.get("card", "")
    by_reference = f"{expected:.1f}{_SPACE}s by its reference speed, on one {card}"
    return Compared(GPU_TIME, said, by_reference, _against(took, expected), took > expected)


def _memory(trial: Generation) -> Compared:
    version = trial.version
    needs = measurements.needs(
        version,
        width=trial.width,
        height=trial.height,
        num_frames=trial.num_frames,
        mode=trial.mode,
        call=version.preset_call(trial.preset),
    )
    measured = filesizeformat(trial.peak_bytes)
    if needs is None:
        return Compared("Peak memory", measured, "", "")
    whole, least = needs.together_bytes, needs.least_bytes(version.placement)
    said = f"{filesizeformat(whole)} computed with everything on the card, {filesizeformat(least)} at the least"
    return Compared("Peak memory", measured, said, _against(trial.peak_bytes, whole), trial.peak_bytes > whole)


def _price(trial: Generation) -> Compared:
    """What a customer pays for such a clip, and what is left of that once its GPU time is paid."""
    credits = trial.credits_quoted
    price_dollars = credits * settings.CREDIT_DOLLARS
    said = f"{credits:,} credit{'' if credits == 1 else 's'}, ${price_dollars:.4f}"
    if not trial.stage_seconds or not price_dollars:
        return Compared("Such a clip costs", said, "", "")
    cost_dollars = gpu_seconds(trial) / 3600 * settings.GPU_DOLLARS_PER_HOUR
    margin = 1 - cost_dollars / price_dollars
    left = f"{100 * margin:.0f}{_SPACE}% margin".replace("-", "\N{MINUS SIGN}")
    return Compared("Such a clip costs", said, f"${cost_dollars:.4f} of GPU time, loading apart", left, margin < 0)


def _against(measured: float, expected: float) -> str:
    change = 100 * (measured - expected) / expected
    return f"{change:+.0f}{_SPACE}%".replace("-", "\N{MINUS SIGN}")
