"""What it changes to make another model the default, side by side, and whom it touches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from catalog import sizes, territories
from catalog.models import AccessLevel
from generation.staff.model_rows import Row
from generation.staff.tiles import duration

UNKNOWN: Final = "not known"
MINUS: Final = "\N{MINUS SIGN}"
_SPACE: Final = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the comparison."""

    label: str
    before: str
    after: str
    difference: str
    """Empty where nothing changes, or nobody knows."""
    is_worse: bool = False
    """For whoever makes clips, or for whoever pays for the GPUs."""
    verdict: str = "worse"
    """What is said beside the difference where it is worse: colour alone tells nobody."""

    @property
    def is_change(self) -> bool:
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class Touched:
    """Whom the swap touches and how, as a sentence."""

    said: str
    is_bad: bool = False


def changes(before: Row | None, after: Row) -> list[Change]:
    """Return each figure and limit of the default now and of the next one. ``before`` None: there is no default."""
    return [*_figures(before, after), *_limits(before, after)]


def _figures(before: Row | None, after: Row) -> Iterator[Change]:
    def line(
        label: str,
        of: Callable[[Row], float | None],
        say: Callable[[float], str],
        *,
        more_is_worse: bool,
        by: Callable[[float], str] | None = None,
    ) -> Change:
        was, now = (of(before) if before is not None else None), of(after)
        difference = "" if was is None or now is None or was == now else _signed(now - was, by or say)
        is_worse = was is not None and now is not None and now != was and (now > was) == more_is_worse
        return Change(label, _said(was, say), _said(now, say), difference, is_worse)

    yield line("Default clip", lambda row: row.credits, _credits, more_is_worse=True)
    yield line("Render p50, last 7 days", lambda row: row.render_seconds, duration, more_is_worse=True)
    yield line("Failed, last 7 days", lambda row: row.failed_share, _percent, more_is_worse=True, by=_points)
    yield line("Margin", lambda row: row.margin, _percent, more_is_worse=False, by=_points)
    on = after.gpus
    yield line("GPUs that can make it", lambda row: row.fits, lambda fits: f"{fits:.0f} of {on}", more_is_worse=False)


def _limits(before: Row | None, after: Row) -> Iterator[Change]:
    """What can be asked for, and by whom. What goes away is worse."""

    def sets(label: str, of: Callable[[Row], Sequence[str]]) -> Change:
        was, now = (list(of(before)) if before is not None else []), list(of(after))
        gone, new = [each for each in was if each not in now], [each for each in now if each not in was]
        said = [f"loses {', '.join(gone)}"] if gone else []
        said += [f"gains {', '.join(new)}"] if new and was else []
        return Change(label, _listed(was), _listed(now), "; ".join(said), bool(gone), "")

    yield sets("Sizes", lambda row: list(map(sizes.in_words, row.version.delivered_sizes)))
    longer = after.version.max_seconds - (before or after).version.max_seconds
    difference = f"up to {abs(longer):g}{_SPACE}s {'longer' if longer > 0 else 'shorter'}" if longer else ""
    was_seconds = _seconds(before) if before is not None else UNKNOWN
    yield Change("Seconds", was_seconds, _seconds(after), difference, longer < 0)
    yield sets("Begins from", lambda row: row.version.modes)
    was_open = AccessLevel(before.version.least_plan) if before is not None else None
    yield Change(
        "Who may use it",
        was_open.label if was_open is not None else UNKNOWN,
        str(AccessLevel(after.version.least_plan).label),
        "",
        was_open is not None and AccessLevel(after.version.least_plan).level > was_open.level,
        "closed to some",
    )
    was_licence = _licence(before) if before is not None else UNKNOWN
    yield Change("Licence", was_licence, _licence(after), "", bool(_newly(before, after)), "closed to some")


def find_touched(before: Row | None, after: Row) -> Iterator[Touched]:
    """Say whom the swap touches and how."""
    name, plan = after.model.name, AccessLevel(after.version.least_plan)
    yield Touched(
        "Everybody who has not chosen a model: the front page begins with it, and so do requests to the API that name"
        " no model, or default."
    )
    yield Touched(
        "Nothing that was asked for already: queued clips are made by the model and at the price that they were quoted."
    )
    if before is not None and before.made:
        clips = f"{before.made:,} clip{'' if before.made == 1 else 's'}"
        yield Touched(
            f"{before.model.name} made {clips} in the last 7 days, whether it was chosen or the default; those that"
            " failed are not counted."
        )
    if plan != AccessLevel.VISITOR:
        whom = "visitors" if plan == AccessLevel.FREE else "everybody without a paid plan"
        yield Touched(f"It is closed to {whom}: the front page shows it locked, and they have to choose another model.")
    if blocked := _newly(before, after):
        yield Touched(f"Its licence leaves out {territories.join_names(blocked)}: people there cannot use {name}.")
    if after.runs_nowhere:
        yield Touched("None of its clips begins until a larger GPU is on: no GPU that is on can make it.", is_bad=True)
    elif after.fits is not None and after.fits < after.gpus:
        fitting = f"{after.fits} of {after.gpus} GPUs"
        yield Touched(f"{fitting} can make it: its clips wait longer than those that every GPU makes.")


def _newly(before: Row | None, after: Row) -> list[str]:
    """Where it may not be used, and the default of now may."""
    already = before.version.blocked_territories if before is not None else []
    return [each for each in after.version.blocked_territories if each not in already]


def _licence(row: Row) -> str:
    blocked = row.version.blocked_territories
    return f"{row.version.licence}, not in {', '.join(blocked)}" if blocked else row.version.licence


def _seconds(row: Row) -> str:
    least, most = row.version.min_seconds, row.version.max_seconds
    return f"{least:g}" if least == most else f"{least:g} to {most:g}"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words) or "none"


def _said(value: float | None, say: Callable[[float], str]) -> str:
    return UNKNOWN if value is None else say(value)


def _signed(difference: float, say: Callable[[float], str]) -> str:
    return f"{'+' if difference > 0 else MINUS}{say(abs(difference))}"


def _credits(count: float) -> str:
    return f"{count:,.0f} credit{'' if count == 1 else 's'}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}{_SPACE}%".replace("-", MINUS)


def _points(share: float) -> str:
    return f"{100 * share:.0f} points"
