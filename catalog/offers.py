"""What a request would be made into, and for how many credits, before anybody has agreed to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from catalog import measurements
from catalog.gates import ANYBODY, Audience
from catalog.models import Model, ModelVersion
from catalog.pricing import Quote, quote, with_own_key
from catalog.requests import Ask, ClipRequest, resolve
from catalog.selection import choose
from catalog.sizes import Size, in_words


@dataclass(frozen=True, slots=True)
class Offer:
    """A checked request and its price."""

    version: ModelVersion
    request: ClipRequest
    quote: Quote
    own_key: UUID | None = None
    """The workspace's, with which it is made and which its price is for; None: the house's, or none."""

    @property
    def delivered_size(self) -> str:
        """Size of the MP4, for people."""
        return in_words(Size(self.request.width, self.request.height).times(self.version.upscale))

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
        Refusal: as ``Audience.own_key_for``.
    """
    version = choose(model or ask.model, audience)
    return offer_with(version, ask, own_key=audience.own_key_for(version))


def offer_with(version: ModelVersion, ask: Ask, *, own_key: UUID | None = None) -> Offer:
    """Return the offer of a version that is chosen already. Asks no store.

    Args:
        own_key: as ``Audience.own_key_for`` tells it.

    Raises:
        Invalid: as ``make_offer``.
    """
    request = resolve(ask, version)
    return Offer(version, request, price_of(version, request, own_key=own_key), own_key)


def price_of(version: ModelVersion, request: ClipRequest, *, own_key: UUID | None) -> Quote:
    """Return what a checked request costs. With the workspace's own key that is the site's fee."""
    price = quote(version, request)
    return price if own_key is None else with_own_key(price, percent=settings.OWN_KEY_PERCENT)
