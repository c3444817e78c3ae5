"""The models for people: all of them as cards, and a page for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from accounts import networks, tenancy
from accounts.roles import Action
from billing.plans import entitlements
from catalog import capabilities
from catalog.capabilities import Entry
from catalog.gates import Audience, territory_of
from catalog.length_prices import by_length, length_prices
from catalog.licences import in_plain_words
from catalog.models import AccessLevel, Model
from catalog.requests import Ask
from catalog.selection import find_model
from generation.api.snippets import snippets
from generation.pages import chips
from generation.pages.choices import EXAMPLE, Choice, choices, offer_of
from generation.pages.samples import SAMPLES
from generation.scheduling import wait
from generation.scheduling.prospect import prospect_of
from generation.scheduling.recent_waits import Record, hours_of, sum_of
from generation.sharing import public
from generation.sharing.public import SharedClip
from generation.submission.audience import audience_of
from loremotion.refusals import Invalid, Refusal

SAMPLES_OF_ALL = 100
SAMPLES_OF_ONE = 4
SAID = ("prompt", "seconds", "size")
"""What a reader may fill the page's examples with."""


@dataclass(frozen=True, slots=True)
class Card:
    """One model: what it is for everybody, what it is for this caller, and how it did lately."""

    entry: Entry
    choice: Choice
    record: Record
    sample: SharedClip | None
    """The newest clip of it that staff picked for Explore."""

    @property
    def waits(self) -> str:
        """How long its clips of the last day took, in words; empty where there were none."""
        half, most = self.record.half_seconds, self.record.most_seconds
        return wait.half_and_most(half, most) if half is not None and most is not None else ""


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """The enabled models as cards, and side by side in a table."""
    models = list(Model.objects.for_people())
    samples = {shared.model_slug: shared for shared in reversed(public.featured_clips(limit=SAMPLES_OF_ALL))}
    cards = _cards(request, models, samples)
    entries = [card.entry for card in cards]
    origins = capabilities.origins_of(entry.version for entry in entries)
    return render(request, "generation/models.html", {"cards": cards, "entries": entries, "origins": origins})


@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """One model by its slug. An alias leads to the model that it names now."""
    try:
        model = find_model(slug)
    except Invalid:
        raise Http404 from None
    if model.slug != slug:
        return redirect("generation:model", model.slug)
    samples = public.featured_clips(model=slug, limit=SAMPLES_OF_ONE)
    (card,) = _cards(request, [model], {})
    version = card.entry.version
    said = _clip_in_address(request, model, Audience(plan=AccessLevel.PAID, territory=territory_of(request)))
    context = {
        "card": card,
        "samples": samples,
        "built_in_samples": SAMPLES if card.choice.examples else (),
        "ways": chips.ways(version, chosen=""),
        "sizes": chips.sizes(version, chosen=""),
        "prices": (prices := length_prices(version)),
        "price_rows": by_length(prices),
        "licence": in_plain_words(version.licence),
        "ready": "" if card.choice.closed or card.choice.why_it_waits else _ready_now(request, model),
        "said": said,
        "snippets": snippets(settings.SITE_URL, {"model": model.slug, "prompt": EXAMPLE, **said}),
    }
    return render(request, "generation/model.html", context)


def _clip_in_address(request: HttpRequest, model: Model, audience: Audience) -> dict[str, Any]:
    """What the address says of a clip, as its reader filled it in; nothing where the model cannot make it."""
    said: dict[str, Any] = {name: text for name in SAID if (text := request.GET.get(name, "").strip())}
    try:
        if "seconds" in said:
            said["seconds"] = float(said["seconds"])
        offer_of(model, Ask(**{"prompt": EXAMPLE, **said}), audience)
    except (Refusal, ValueError):
        return {}
    return said


def _cards(request: HttpRequest, models: list[Model], samples: dict[str, SharedClip]) -> list[Card]:
    # Prices and terms are the same for everybody: a payer's, since a plan can be bought.
    entries = capabilities.entries(models, Audience(plan=AccessLevel.PAID, territory=territory_of(request)))
    audience = audience_of(request, tenancy.caller_of(request).reach(Action.READ_CLIPS))
    hours = hours_of([model.slug for model in models])
    return [
        Card(entry, choice, sum_of(hours[entry.model.slug]), samples.get(entry.model.slug))
        for entry, choice in zip(entries, choices(models, audience), strict=True)
    ]


def _ready_now(request: HttpRequest, model: Model) -> str:
    """When a clip would be ready that is asked for now, in words; empty where nobody can say."""
    workspace = tenancy.caller_of(request).reach(Action.READ_CLIPS)
    may = entitlements(workspace.id if workspace is not None else None)
    try:
        offer = offer_of(model, Ask(prompt=EXAMPLE), audience_of(request, workspace, may))
    except Refusal:
        return ""  # it makes nothing of words alone
    expected = prospect_of(offer, workspace, may=may, network=networks.fingerprint_of(request))
    return wait.in_words(expected) if expected is not None else ""
