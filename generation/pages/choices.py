"""What the form shows of each model before anything is asked for: its words, its options, its example and its price."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.utils.translation import gettext

from catalog import gates, measurements
from catalog.gates import Audience
from catalog.models import Model, ModelVersion
from catalog.offers import Offer, offer_with
from catalog.requests import Ask
from catalog.selection import version_for
from generation.pages import chips
from generation.pages.chips import Chip, Way
from generation.pages.forms import is_taken
from generation.scheduling import offline
from loremotion.refusals import Refusal

EXAMPLE: Final = "a red circle moving right on a black background"
"""What the prompt box says to a newcomer where the built-in model is the default: something that it can do."""
EXAMPLES: Final = (
    EXAMPLE,
    "a green star spinning on a white background",
    "a yellow triangle growing on a blue background",
)


@dataclass(frozen=True, slots=True)
class Choice:
    """One model as the form offers it to one caller."""

    model: Model
    version: ModelVersion
    """The one that serves this caller."""
    credits: int | None
    """Price of its default clip; None where the model is not for this caller, or makes none of words alone."""
    speed: float | None
    """GPU seconds for a second of video; None while nobody has made a clip."""
    closed: str
    """Why this caller may not use it; empty where they may."""
    why_it_waits: str
    """Empty, except where no machine that is on can hold it."""
    has_own_key: bool
    """Whether it is made with a key that the workspace brought."""
    values: Mapping[str, Any]
    """What of its options is chosen by now."""

    @property
    def examples(self) -> tuple[str, ...]:
        """Prompts to try; none where any sentence will do."""
        return EXAMPLES if self.version.is_built_in else ()

    @property
    def example(self) -> str:
        """What the prompt box begins with; empty where any sentence will do."""
        return self.examples[0] if self.examples else ""

    @property
    def notice(self) -> str:
        """To whom prompt and picture go, before they do; empty for a model that runs here."""
        if not self.version.family_facts.is_remote:
            return ""
        said = gates.notice(self.version)
        return f"{said} {_own_key_notice()}".strip() if self.has_own_key else said

    @property
    def expected_seconds(self) -> float | None:
        """How long its default clip takes once it is its turn; None while nobody knows."""
        return self.speed * self.version.default_seconds if self.speed is not None else None

    @property
    def ways(self) -> list[Way]:
        return chips.ways(self.version, chosen=str(self.values.get("way") or ""))

    def takes(self, role: str) -> bool:
        """Whether a clip made the chosen way begins with what is given in ``role``."""
        return is_taken(role, way=str(self.values.get("way") or ""), version=self.version)

    @property
    def sizes(self) -> list[Chip]:
        return chips.sizes(self.version, chosen=str(self.values.get("size") or ""))

    @property
    def lengths(self) -> list[Chip]:
        return chips.lengths(self.version, chosen=self.values.get("seconds"))

    @property
    def presets(self) -> list[Chip]:
        return chips.presets(self.version, chosen=str(self.values.get("preset") or ""))


def choices(
    models: Sequence[Model], audience: Audience, *, chosen: Model | None = None, values: Mapping[str, Any] | None = None
) -> list[Choice]:
    """Every model as this caller may choose it. At most two queries, however many there are.

    Args:
        chosen: whose options ``values`` are.
    """
    versions = [version_for(model, audience.workspace_id) for model in models]
    waits = _waits(versions)
    speeds = measurements.speeds(version.build for version in versions)
    return [
        Choice(
            model=model,
            version=version,
            credits=_default_credits(version, audience),
            speed=speeds.get(version.build),
            closed=str(gates.refusal(version, audience) or ""),
            why_it_waits=waits.get(version.id, ""),
            has_own_key=_has_own_key(version, audience),
            values=(values or {}) if model == chosen else {},
        )
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
    return offer_with(version, ask, own_key=audience.own_key_for(version))


def _has_own_key(version: ModelVersion, audience: Audience) -> bool:
    try:
        return audience.own_key_for(version) is not None
    except Refusal:
        return True  # and its provider does not take it: whoever asks is told so


def _own_key_notice() -> str:
    return gettext(
        "It is made with your workspace's own key: the provider bills you, and here it costs %(percent)d %% of its "
        "price."
    ) % {"percent": settings.OWN_KEY_PERCENT}


def _default_credits(version: ModelVersion, audience: Audience) -> int | None:
    if gates.refusal(version, audience) is not None:
        return None
    try:
        return offer_with(version, Ask(prompt="a clip"), own_key=audience.own_key_for(version)).quote.credits
    except Refusal:
        return None


def _waits(versions: Iterable[ModelVersion]) -> dict[int, str]:
    largest_bytes = offline.largest_machine_bytes()
    if largest_bytes is None:
        return {}
    needed = measurements.smallest_clips(versions, above_bytes=largest_bytes)
    return {version_id: offline.too_large(least_bytes, largest_bytes) for version_id, least_bytes in needed.items()}
