"""What the fleet measured of each build: seconds, bytes, and what they leave of the price."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db.models import F, Sum
from django.db.models.functions import Greatest
from django.utils import timezone

from catalog.models import Measurement, ModelVersion
from catalog.pricing import tier_of
from gpu_worker.families.fit import CARDS_GIB, GIB, Fit, fit, headroom_bytes, measured_fit


@dataclass(frozen=True, slots=True)
class Margin:
    """What one preset at one size earns. Fractions of the price; negative: a loss."""

    mode: str
    preset: str
    size: str
    clips: int
    gpu_seconds_per_second: float
    peak_bytes: int
    price_dollars: float
    cost_dollars: float

    @property
    def share(self) -> float:
        return 1 - self.cost_dollars / self.price_dollars


def record(
    version: ModelVersion,
    *,
    mode: str,
    preset: str,
    width: int,
    height: int,
    gpu_seconds: float,
    video_seconds: float,
    peak_bytes: int,
) -> None:
    """Add one finished clip. Safe from any number of processes at once: one row is updated in the database."""
    key = {"build": version.build, "mode": mode, "preset": preset, "width": width, "height": height}
    Measurement.objects.bulk_create([Measurement(**key)], ignore_conflicts=True)
    Measurement.objects.filter(**key).update(
        clips=F("clips") + 1,
        gpu_seconds=F("gpu_seconds") + gpu_seconds,
        video_seconds=F("video_seconds") + video_seconds,
        peak_bytes=Greatest(F("peak_bytes"), peak_bytes),
        updated_at=timezone.now(),
    )


def was_rendered(version: ModelVersion) -> bool:
    """Whether any clip was ever finished with exactly what this version loads."""
    return Measurement.objects.filter(build=version.build, clips__gt=0).exists()


def speeds(builds: Iterable[str]) -> dict[str, float]:
    """Build → GPU seconds for one second of video, over all its clips."""
    rows = Measurement.objects.filter(build__in=builds, video_seconds__gt=0).values("build")
    sums = rows.annotate(gpu=Sum("gpu_seconds"), video=Sum("video_seconds"))
    return {row["build"]: row["gpu"] / row["video"] for row in sums}


def margins(version: ModelVersion) -> list[Margin]:
    """What each measured preset and size of a version earns at today's settings."""
    found = []
    for row in Measurement.objects.filter(build=version.build, video_seconds__gt=0).order_by("preset", "width"):
        price = version.prices.get(row.preset, {}).get(tier_of(row.width, row.height))
        if price is None:
            continue
        seconds = row.gpu_seconds / row.video_seconds
        found.append(
            Margin(
                mode=row.mode,
                preset=row.preset,
                size=f"{row.width}x{row.height}",
                clips=row.clips,
                gpu_seconds_per_second=seconds,
                peak_bytes=row.peak_bytes,
                price_dollars=price / 1000 * settings.CREDIT_DOLLARS,
                cost_dollars=seconds / 3600 * settings.GPU_DOLLARS_PER_HOUR,
            )
        )
    return found


def fits(version: ModelVersion) -> dict[int, Fit | None]:
    """Card in GiB → how the version runs on it at its largest size and length: as measured, else as computed."""
    peak_bytes = (
        Measurement.objects.filter(build=version.build)
        .order_by("-peak_bytes")
        .values_list("peak_bytes", flat=True)
        .first()
    )
    width, height = max(
        ((int(w), int(h)) for w, h in (size.split("x") for size in version.sizes)), key=lambda s: s[0] * s[1]
    )
    headroom = headroom_bytes(width, height, version.family_facts.frames_for(version.max_seconds, version.fps))
    return {
        card: (measured_fit(peak_bytes, card * GIB) if peak_bytes else None)
        or fit(version.component_bytes, version.quantisation, card * GIB, headroom=headroom)
        for card in CARDS_GIB
    }
