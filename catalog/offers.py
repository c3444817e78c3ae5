"""What a request would be made into, and for how many credits, before anybody has agreed to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from catalog import measurements
from catalog.gates import ANYBODY, Audience
from catalog.models import Model, ModelVersion
from catalog.pricing import Quote, quote
from catalog.requests import Ask, ClipRequest, resolve
from catalog.selection import choose


@dataclass(frozen=True, slots=True)
class Offer:
    """A checked request and its price."""

    version: ModelVersion
    request: ClipRequest
    quote: Quote

    @property
    def delivered_size(self) -> str:
        """Size of the MP4, for people."""
        return f"{self.request.width * self.version.upscale}×{self.request.height * self.version.upscale}"

    @property
    def least_bytes(self) -> int | None:
        """Least memory of a GPU that can make it, or None while the bytes of the model are unknown. Asks the store."""
        return self.send_least_bytes()()

    def send_least_bytes(self) -> Callable[[], int | None]:
        """Ask the store for ``least_bytes``, and return what tells them."""
        return measurements.send_least_bytes(
            self.version,
            width=self.request.width,
            height=self.request.height,
            num_frames=self.request.num_frames,
            mode=self.request.mode,
            call=self.request.call,
        )


def make_offer(ask: Ask, audience: Audience = ANYBODY, *, model: Model | None = None) -> Offer:
    """Return what would be rendered and for how many credits. Writes nothing.

    Args:
        model: the one that the request names, where it was asked for already.

    Raises:
        Invalid: the request cannot be served; names the field and what to do.
        NotLicensed, NotInPlan: the model is not for this caller.
    """
    return offer_with(choose(model or ask.model, audience), ask)


def offer_with(version: ModelVersion, ask: Ask) -> Offer:
    """Return the offer of a version that is chosen already. Asks no store.

    Raises:
        Invalid: as ``make_offer``.
    """
    request = resolve(ask, version)
    return Offer(version, request, quote(version, request))
