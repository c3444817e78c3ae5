"""What the fleet measured of each build: seconds, bytes, and what they leave of the price."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from django.conf import settings
from django.db.models import F, Sum
from django.db.models.functions import Greatest
from django.utils import timezone

from catalog.models import Measurement, ModelVersion
from catalog.pricing import tier_of
from catalog.sizes import Size
from gpu_worker.contract import REMOTE_BYTES, ComponentSource
from gpu_worker.families.activations import Shape
from gpu_worker.families.memory import (
    MemoryNeeds,
    memory_needs,
    weights_bytes,
)
from gpu_worker.families.speed import held_beside
from loremotion.prepared import send

_LEAST_SIMILARITY = {"none": 0.995, "int8": 0.995, "fp8": 0.995}
_LEAST_SIMILARITY_OF_FOUR_BITS = 0.98
"""Cosine below which a transformer that is quantised or skips steps no longer makes the clip that the whole one makes.

Eight bits stay above 0.999 in the tests of the engine, where four bits lose a hundredth: bounds for what is broken.
"""


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
    similarity: float | None = None,
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
        **({} if similarity is None else {"similarity": similarity}),
    )


def was_rendered(version: ModelVersion) -> bool:
    """Whether any clip was ever finished with exactly what this version loads."""
    return Measurement.objects.filter(build=version.build, clips__gt=0).exists()


def similarity(version: ModelVersion) -> float | None:
    """How close this version renders to its whole weights with no step skipped, as last measured."""
    measured = Measurement.objects.filter(build=version.build, similarity__isnull=False)
    return measured.order_by("-updated_at").values_list("similarity", flat=True).first()


def least_similarity(version: ModelVersion) -> float:
    """The least that ``similarity`` may be: much for eight bits, the default, and less for packed weights."""
    return _LEAST_SIMILARITY.get(version.quantisation, _LEAST_SIMILARITY_OF_FOUR_BITS)


def is_poor(version: ModelVersion) -> bool:
    """Whether the last measurement says that quantisation or a step cache costs too much."""
    measured = similarity(version)
    return measured is not None and measured < least_similarity(version)


def speeds(builds: Iterable[str]) -> dict[str, float]:
    """Build → GPU seconds for one second of video, over all its clips."""
    rows = Measurement.objects.filter(build__in=builds, video_seconds__gt=0).values("build")
    sums = rows.annotate(gpu=Sum("gpu_seconds"), video=Sum("video_seconds"))
    return {row["build"]: row["gpu"] / row["video"] for row in sums}


def margins(version: ModelVersion) -> list[Margin]:
    """What each measured preset and size of a version earns at today's settings."""
    found = []
    rows = Measurement.objects.filter(build=version.build, video_seconds__gt=0).order_by("mode", "width")
    for row in sorted(rows, key=lambda row: version.preset_order(row.preset)):
        price = version.prices.get(row.preset, {}).get(tier_of(Size(row.width, row.height)))
        if price is None:
            continue
        seconds = row.gpu_seconds / row.video_seconds
        found.append(
            Margin(
                mode=row.mode,
                preset=row.preset,
                size=str(Size(row.width, row.height)),
                clips=row.clips,
                gpu_seconds_per_second=seconds,
                peak_bytes=row.peak_bytes,
                price_dollars=price / 1000 * settings.CREDIT_DOLLARS,
                cost_dollars=seconds / 3600 * settings.GPU_DOLLARS_PER_HOUR,
            )
        )
    return found


def needs(
    version: ModelVersion,
    *,
    width: int,
    height: int,
    num_frames: int,
    mode: str = "",
    call: Mapping[str, Any] = MappingProxyType({}),
) -> MemoryNeeds | None:
    """What a clip of this size takes by computation, or None while the bytes of the model are unknown.

    Without a mode the one of the version that takes most is counted; without a preset's ``call``, with guidance.
    """
    if not version.component_bytes:
        return None
    reckon = _needs if version.pk is None else _needs_of_row
    return reckon(version, width, height, num_frames, mode, json.dumps(dict(call), sort_keys=True))


def _needs(version: ModelVersion, width: int, height: int, num_frames: int, mode: str, call_json: str) -> MemoryNeeds:
    sizes = version.component_bytes
    made_by = version.family_facts
    sources = {name: ComponentSource.from_wire(source) for name, source in version.components.items()}
    loaded = weights_bytes(made_by, sizes, version.quantisation, dtype=version.dtype, sources=sources)

    call = json.loads(call_json)

    def shape(mode: str) -> Shape:
        return Shape(
            family=made_by,
            width=width,
            height=height,
            num_frames=num_frames,
            transformer_bytes=sizes.get("transformer", 0),
            mode=mode,
            call=call,
        )

    cache = held_beside(version.speed)
    found = [memory_needs(loaded, shape(name), cache=cache) for name in ([mode] if mode else version.modes)]
    return max(found, key=lambda needs: needs.together_bytes)


_needs_of_row: Final = lru_cache(maxsize=2_048)(_needs)
"""Reckoned once: PostgreSQL lets nobody change the row of a version."""


def least_bytes(
    version: ModelVersion,
    *,
    width: int,
    height: int,
    num_frames: int,
    mode: str = "",
    call: Mapping[str, Any] = MappingProxyType({}),
) -> int | None:
    """Least memory of a GPU that can make such a clip, or None while the bytes of the model are unknown. Of one that a
    provider makes it is ``REMOTE_BYTES``.

    A clip of the size that was made with less than is computed needs no more than that. What was measured never raises
    the figure: it holds whatever else lay on a card with room to spare.
    """
    return send_least_bytes(version, width=width, height=height, num_frames=num_frames, mode=mode, call=call)()


def send_least_bytes(
    version: ModelVersion,
    *,
    width: int,
    height: int,
    num_frames: int,
    mode: str = "",
    call: Mapping[str, Any] = MappingProxyType({}),
) -> Callable[[], int | None]:
    """Ask the store what ``least_bytes`` hangs on, and return what tells those."""
    if version.family_facts.is_remote:
        return lambda: REMOTE_BYTES
    computed = needs(version, width=width, height=height, num_frames=num_frames, mode=mode, call=call)
    if computed is None:
        return lambda: None
    measured, least = send_peak_bytes(version, width, height), computed.least_bytes(version.placement)
    return lambda: min(least, measured() or least)


def smallest_clips(versions: Iterable[ModelVersion], *, above_bytes: int) -> dict[int, int]:
    """Version id → least memory of a GPU that can make even its smallest and shortest clip, of those alone that need
    more than ``above_bytes``. One query, or none."""
    found: dict[int, int] = {}
    clips: dict[int, tuple[str, int, int]] = {}
    for version in versions:
        size = min((Size.parse(text) for text in version.sizes), key=lambda size: size.pixels)
        num_frames = version.family_facts.frames_for(version.min_seconds, version.fps)
        call = version.preset_call(version.default_preset)
        computed = needs(version, width=size.width, height=size.height, num_frames=num_frames, call=call)
        least = computed.least_bytes(version.placement) if computed is not None else 0
        if least > above_bytes:
            found[version.id], clips[version.id] = least, (version.build, size.width, size.height)
    if not found:
        return {}
    builds = {build for build, _, _ in clips.values()}
    less = Measurement.objects.filter(build__in=builds, peak_bytes__gt=0, peak_bytes__lte=above_bytes)
    made = set(less.values_list("build", "width", "height"))
    return {version_id: least for version_id, least in found.items() if clips[version_id] not in made}


def send_peak_bytes(version: ModelVersion, width: int, height: int) -> Callable[[], int | None]:
    """Ask for the most that a clip of this size ever took with this build."""
    most = send(
        "SELECT max(peak_bytes) FROM catalog_measurement"
        " WHERE build = %s AND width = %s AND height = %s AND peak_bytes > 0",
        [version.build, width, height],
    )
    return lambda: None if (row := most())[0] is None else int(row[0])
