"""Each model of the catalogue with what it costs, takes and earns, as staff compares them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import redis

from catalog import at_a_look, fits, measurements
from catalog.models import Measurement, Model, ModelVersion
from generation import figures
from generation.figures import MadeOfModel
from generation.scheduling import capacity
from generation.staff import posters
from gpu_worker.families.memory import Fit
from loremotion.read_through import get_or_make

KEPT_SECONDS: Final = 60
LEAST_MARGIN: Final = 0.0
"""Below it a clip costs more than it brings."""
MANY_FAILED: Final = 0.1
LEAST_ENDED: Final = 10
"""Of fewer clips the share that failed says little."""


@dataclass(frozen=True, slots=True)
class Row:
    """One model with its figures; None where nobody knows one yet."""

    model: Model
    version: ModelVersion
    credits: int | None
    """Of its default clip, from words alone."""
    render_seconds: float | None
    """p50 of the last week."""
    failed_share: float | None
    margin: float | None
    """Of the price, once the GPU is paid."""
    fits: int | None
    """Of the GPUs that are on, those that can make its smallest clip."""
    gpus: int
    was_rendered: bool
    ended: int
    """Clips of the last week that were made or failed."""
    made: int
    default_fits: tuple[Fit, ...] = ()
    """How its default clip runs on each GPU that is on; empty where nobody knows."""
    poster: str = ""
    """Address of a picture of it; empty where there is none to show."""

    @property
    def is_losing(self) -> bool:
        return self.margin is not None and self.margin < LEAST_MARGIN

    @property
    def fails_often(self) -> bool:
        return self.failed_share is not None and self.failed_share >= MANY_FAILED and self.ended >= LEAST_ENDED

    @property
    def runs_nowhere(self) -> bool:
        """Whether GPUs are on and none of them makes even its smallest clip."""
        return self.gpus > 0 and self.fits == 0

    @property
    def is_default(self) -> bool:
        return any(alias.name == "default" for alias in self.model.aliases.all())

    @property
    def runs_on(self) -> str:
        """On how many of the GPUs that are on its default clip can be made, in words; if on none, its smallest."""
        if self.version.family_facts.is_remote:
            return "its maker's servers"
        if self.fits is None:
            return "not known"
        if not self.gpus:
            return "no GPU is on"
        if not self.fits:
            return "no GPU that is on"
        making = self._making if self.default_fits else self.fits
        if not making:
            return f"{self.fits} of {self.gpus} GPUs, smaller clips alone"
        return "every GPU" if making == self.gpus else f"{making} of {self.gpus} GPUs"

    @property
    def runs_slower_on(self) -> str:
        """Where its default clip is made with weights that come and go with each step, in words; empty: nowhere."""
        swapping = self.default_fits.count(Fit.BLOCK_SWAP)
        if not swapping:
            return ""
        is_everywhere = swapping == self._making
        return "by block swap, which is slower" if is_everywhere else f"{swapping} of them by block swap"

    @property
    def _making(self) -> int:
        return len(self.default_fits) - self.default_fits.count(Fit.NO)

    @property
    def tab(self) -> str:
        if self.model.status == Model.Status.DRAFT:
            return "ready" if self.was_rendered else "drafts"
        return "enabled" if self.model.is_enabled else "retired"


def rows_of(models: Sequence[Model] | Any) -> list[Row]:
    """Return the figures of models that have a version."""
    every = [(model, version) for model in models if (version := current_of(model)) is not None]
    builds = [version.build for _, version in every]
    speeds = measurements.speeds(builds)
    rendered = set(Measurement.objects.filter(build__in=builds, clips__gt=0).values_list("build", flat=True))
    least = measurements.smallest_clips([version for _, version in every], above_bytes=0)
    budgets, made = _budgets(), _made()
    of_default = fits.of_default_clips([version for _, version in every], budgets)
    return [
        replace(
            _row(model, version, speeds, least, budgets, made.get(model.slug), was_rendered=version.build in rendered),
            default_fits=tuple(of_default.get(version.id, ())),
        )
        for model, version in every
    ]


def with_posters(rows: Sequence[Row]) -> list[Row]:
    """Return ``rows`` with the picture of each that has one to show, in two queries."""
    pictures = posters.newest([row.model for row in rows])
    return [replace(row, poster=pictures.get(row.model.slug, "")) for row in rows]


def current_of(model: Model) -> ModelVersion | None:
    """Return its version for everybody, which knows its model without another query."""
    if model.current is not None:
        model.current.model = model
    return model.current


def _row(
    model: Model,
    version: ModelVersion,
    speeds: Mapping[str, float],
    least: Mapping[int, int],
    budgets: Sequence[int],
    made: MadeOfModel | None,
    *,
    was_rendered: bool,
) -> Row:
    credits = at_a_look.default_credits(version)
    needed = least.get(version.id)
    return Row(
        model=model,
        version=version,
        credits=credits,
        render_seconds=made.render_seconds if made else None,
        failed_share=made.failed_share if made else None,
        margin=at_a_look.default_margin(version, credits, speeds.get(version.build)),
        fits=None if needed is None else sum(budget >= needed for budget in budgets),
        gpus=len(budgets),
        was_rendered=was_rendered,
        ended=made.ended if made else 0,
        made=made.made if made else 0,
    )


def _budgets() -> list[int]:
    try:
        return capacity.taking_budgets()
    except redis.RedisError:
        return []


def _made() -> dict[str, MadeOfModel]:
    """Of the last week, by model; counted once a minute, however many look."""

    def made() -> dict[str, list[Any]]:
        return {slug: [each.made, each.failed, each.render_seconds] for slug, each in figures.made_lately().items()}

    kept = get_or_make("admin:made-by-model", made, seconds=KEPT_SECONDS)
    return {slug: MadeOfModel(*each) for slug, each in kept.items()}
