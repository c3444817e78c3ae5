"""How clips run on GPUs: wholly in memory, with the text encoder or the blocks of the transformer elsewhere, or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Max

from catalog import measurements
from catalog.models import Measurement, ModelVersion
from catalog.sizes import Size
from gpu_worker.families.memory import CARDS_GIB, GIB, Fit, usable_bytes


@dataclass(frozen=True, slots=True)
class FitRow:
    """How one clip of a version runs on each card."""

    label: str
    size: str
    seconds: float
    by_card: dict[int, Fit | None]


def of_version(version: ModelVersion) -> list[FitRow]:
    """The version's default clip and its largest on the usual cards: as measured where it was, else as computed."""
    sizes = [Size.parse(size) for size in version.sizes]
    return [
        _fit_row("Default clip", version, sizes[0], version.default_seconds),
        _fit_row("Largest clip", version, max(sizes, key=lambda size: size.pixels), version.max_seconds),
    ]


def _fit_row(label: str, version: ModelVersion, size: Size, seconds: float) -> FitRow:
    num_frames = version.family_facts.frames_for(seconds, version.fps)
    peak_bytes = measurements.send_peak_bytes(version, *size)()
    computed = measurements.needs(version, width=size.width, height=size.height, num_frames=num_frames)

    def on(card_bytes: int) -> Fit | None:
        if peak_bytes and peak_bytes <= usable_bytes(card_bytes):
            return Fit.RESIDENT
        return computed.fit(usable_bytes(card_bytes), version.placement) if computed is not None else None

    by_card = {card: on(card * GIB) for card in CARDS_GIB}
    return FitRow(label, str(version.delivered(size)), num_frames / version.fps, by_card)


def of_default_clips(versions: Iterable[ModelVersion], budgets: Sequence[int]) -> dict[int, list[Fit]]:
    """Version id → how its default clip runs on a GPU of each of ``budgets``, bytes; those alone whose bytes are known.

    One query. What was made with less than is computed fits wherever there is as much.
    """
    every = list(versions)
    rows = Measurement.objects.filter(build__in=[version.build for version in every], peak_bytes__gt=0)
    peaks = {
        (build, width, height): peak
        for build, width, height, peak in rows.order_by()
        .values_list("build", "width", "height")
        .annotate(Max("peak_bytes"))
    }
    found = {}
    for version in every:
        size = Size.parse(version.sizes[0])
        num_frames = version.family_facts.frames_for(version.default_seconds, version.fps)
        call = version.preset_call(version.default_preset)
        computed = measurements.needs(version, width=size.width, height=size.height, num_frames=num_frames, call=call)
        if computed is not None:
            peak = peaks.get((version.build, size.width, size.height))
            found[version.id] = [
                Fit.RESIDENT if peak is not None and peak <= budget else computed.fit(budget, version.placement)
                for budget in budgets
            ]
    return found
