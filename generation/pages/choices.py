"""What the form shows of each model before anything is asked for: its words, its example and its price."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from catalog import gates, measurements
from catalog.gates import Audience
from catalog.models import Model, ModelVersion
from catalog.offers import Offer, offer_with
from catalog.requests import Ask
from catalog.selection import version_for
from generation.scheduling import wait
from generation.submission.uploads import MAX_BYTES
from gpu_worker.families import Kind, Role
from loremotion.refusals import Refusal

BUILT_IN: Final = "preview"
"""Family of the model that comes with the code."""
EXAMPLE: Final = "a red circle moving right on a black background"
"""What the prompt box says to a newcomer where the built-in model is the default: something that it can do."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One model as the form offers it to one caller."""

    model: Model
    version: ModelVersion
    """The one that serves this caller."""
    credits: int | None
    """Price of its default clip; None where the model is not for this caller, or makes none of words alone."""
    why_it_waits: str
    """Empty, except where no machine that is on can hold it."""

    @property
    def example(self) -> str:
        """The prompt that the box begins with; empty where any sentence will do."""
        return EXAMPLE if self.version.family == BUILT_IN else ""

    @property
    def files(self) -> list[tuple[str, Role, int]]:
        """What a clip may start from: the field's name, what it is, and the most bytes that are taken of it."""
        return [(name, role, _most_bytes(name, role)) for name, role in self.version.input_roles]


def choices(models: Sequence[Model], audience: Audience) -> list[Choice]:
    """Every model as this caller may choose it. At most one query, however many there are."""
    versions = [version_for(model, audience.workspace_id) for model in models]
    waits = _waits(versions)
    return [
        Choice(model, version, _default_credits(version, audience), waits.get(version.id, ""))
        for model, version in zip(models, versions, strict=True)
    ]


def offer_of(model: Model, ask: Ask, audience: Audience) -> Offer:
    """The offer that ``make_offer`` would make, with the model at hand. Asks no store.

    Raises:
        Refusal: as ``make_offer``.
    """
    version = version_for(model, audience.workspace_id)
    if refusal := gates.refusal(version, audience):
        raise refusal
    return offer_with(version, ask)


def _most_bytes(name: str, role: Role) -> int:
    kind = Kind.CLIP if name == "mask" else role.kind  # a mask may move
    return MAX_BYTES[kind]


def _default_credits(version: ModelVersion, audience: Audience) -> int | None:
    if gates.refusal(version, audience) is not None:
        return None
    try:
        return offer_with(version, Ask(prompt="a clip")).quote.credits
    except Refusal:
        return None


def _waits(versions: Iterable[ModelVersion]) -> dict[int, str]:
    largest_bytes = wait.largest_machine_bytes()
    if largest_bytes is None:
        return {}
    needed = measurements.smallest_clips(versions, above_bytes=largest_bytes)
    return {version_id: wait.too_large(least_bytes, largest_bytes) for version_id, least_bytes in needed.items()}
