"""Many clips at once: prompts by paste or as CSV, each with some models and seeds; shown with prices, then made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_POST, require_safe

from accounts import networks, tenancy
from accounts.roles import Action
from billing.plans import entitlements
from catalog.models import Model
from catalog.offers import Offer
from catalog.requests import Ask
from generation.api import presentation
from generation.models import Generation, State
from generation.pages import batch_rows
from generation.pages.chosen import chosen_clips, sheet_of
from generation.pages.ways_on import ways_on
from generation.scheduling.prospect import prospect_of
from generation.scheduling.wait import ready_in_words
from generation.submission import batch, intake
from generation.submission.wanted import Start, Wanted, offers_of
from loremotion.bodies import takes_files
from loremotion.refusals import Invalid, Refusal

MOST_TIMES: Final = 8
MOST_COMPARED: Final = 4
"""As the page that shows clips side by side takes."""


@require_safe
@ensure_csrf_cookie
def page(request: HttpRequest) -> HttpResponse:
    """The form. ``?prompt=`` fills it, and each ``?models=`` ticks one, to compare them."""
    prompt = request.GET.get("prompt", "").replace("\x00", "")[:2000]
    return _page(request, prompts=prompt, ticked=request.GET.getlist("models"))


@takes_files
@require_POST
def review(request: HttpRequest) -> HttpResponse:
    """Every clip that would be made, with its price, and the price of all. Makes nothing."""
    sent = request.POST
    if "edit" in sent:
        return _page(request, prompts=sent.get("prompts", ""))
    try:
        asks = batch_rows.read(_text(request))
        spread = batch_rows.spread(asks, models=sent.getlist("models"), times=_times(sent.get("times", "1")))
        return _review(request, spread)
    except Refusal as refusal:
        return _page(request, prompts=sent.get("prompts", ""), refusal=refusal)


@require_POST
def make(request: HttpRequest) -> HttpResponse:
    """Make the clips that were reviewed: all of them or none."""
    tenancy.caller_for(request, Action.GENERATE)
    rows, sending = request.POST.get("rows", ""), request.POST.get("sending") or batch.new_sending()
    try:
        asks = batch_rows.read(rows)
        try:
            start = Start()
            wanted = [Wanted(ask, start) for ask in asks]
            made = batch.take_all(request, wanted, sending=sending, most_credits=(shown := _credits(request)))
        except intake.CostsMore as refusal:
            return _review(request, asks, intake.price_has_changed(shown, refusal))
        return redirect(sheet_of(made))
    except Refusal as refusal:
        return _page(request, prompts=rows, refusal=refusal)


@require_safe
def sheet(request: HttpRequest) -> HttpResponse:
    """Clips that were made together, with what each costs and what all do."""
    clips = chosen_clips(
        tenancy.caller_for(request, Action.READ_CLIPS), request.GET, _("Choose 1 to %(most)s clips to show together.")
    )
    costs = [shown["lm"]["cost"] for shown in presentation.videos(clips)]
    total = {name: sum(cost[name] for cost in costs) for name in ("quoted", "held", "charged", "given_back")}
    failed = [clip for clip in clips if clip.state == State.FAILED]
    again = [clip for clip in failed if not clip.inputs]
    context = {
        "clips": clips,
        "costs": {clip.id: _cost_words(cost, is_open=clip.is_open) for clip, cost in zip(clips, costs, strict=True)},
        "total": total,
        "open": sum(clip.is_open for clip in clips),
        "failed": len(failed),
        "again": len(again),
        "rows": batch_rows.write(map(_ask_again, again)) if again else "",
    }
    return render(request, "generation/sheet.html", context)


def _cost_words(cost: dict[str, int], *, is_open: bool) -> str:
    """What a clip costs, or is reserved for it."""
    if is_open:
        return _("%(held)s reserved") % {"held": intcomma(cost["held"])}
    said = {"charged": intcomma(cost["charged"]), "refunded": intcomma(cost["given_back"])}
    return (_("%(charged)s charged, %(refunded)s refunded") if cost["given_back"] else _("%(charged)s charged")) % said


def _ask_again(clip: Generation) -> Ask:
    """What a clip of words alone was asked for as."""
    return Ask(
        prompt=clip.prompt,
        negative_prompt=clip.negative_prompt,
        model=clip.version.model.slug,
        size=f"{clip.delivered_width}x{clip.delivered_height}",
        seconds=round(clip.seconds, 3),
        preset=clip.preset,
        seed=clip.seed,
    )


def _text(request: HttpRequest) -> str:
    sent = request.FILES.get("file")
    if not isinstance(sent, UploadedFile):
        return request.POST.get("prompts", "")
    if (sent.size or 0) > batch_rows.MOST_BYTES:
        raise Invalid(
            "too_long",
            _("The file is more than %(most)s KiB.") % {"most": batch_rows.MOST_BYTES // 1024},
            next_step=_("Send less at once."),
        )
    try:
        return bytes(sent.read()).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("not_text", _("This file isn't UTF-8 text."), next_step=_("Save it as CSV in UTF-8.")) from None


def _times(text: str) -> int:
    return next((number for number in range(1, MOST_TIMES + 1) if str(number) == text), 1)


def _credits(request: HttpRequest) -> int | None:
    """What all of them cost by the page that was sent."""
    sent = request.POST.get("credits", "")
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 19 else None


def _review(request: HttpRequest, asks: list[Ask], refusal: Refusal | None = None) -> HttpResponse:
    offers = offers_of(request, asks)
    seeded = [replace(ask, seed=offer.request.seed) for ask, offer in zip(asks, offers, strict=True)]
    context = {
        "offers": list(zip(offers, _when_ready(request, offers), strict=True)),
        "tells_when": len(offers) <= MOST_COMPARED,
        "credits": sum(offer.quote.credits for offer in offers),
        "rows": batch_rows.write(map(_as_shown, seeded, offers)),  # what is shown is what will be made
        "said": batch_rows.write(seeded),
        "sending": batch.new_sending(),
        "refusal": refusal,
    }
    status = refusal.status if refusal is not None else 200
    return render(request, "generation/batch_review.html", context, status=status)


def _when_ready(request: HttpRequest, offers: list[Offer]) -> list[str]:
    """When each would be ready if it was asked for alone, in words; empty of more than can be compared."""
    if len(offers) > MOST_COMPARED:
        return [""] * len(offers)
    workspace = tenancy.caller_of(request).reach(Action.READ_CLIPS)
    may = entitlements(workspace.id if workspace is not None else None)
    network = networks.fingerprint_of(request)
    expected = (prospect_of(offer, workspace, may=may, network=network) for offer in offers)
    return [ready_in_words(each) if each is not None else "" for each in expected]


def _as_shown(ask: Ask, offer: Offer) -> Ask:
    """The clip of an offer, whatever the defaults are when it is made."""
    version = offer.version
    return replace(
        ask,
        model=version.model.slug,
        size=ask.size or version.delivered_sizes[0],
        seconds=version.default_seconds if ask.seconds is None else ask.seconds,
        preset=offer.request.preset,
    )


def _page(
    request: HttpRequest, *, prompts: str, ticked: Sequence[str] = (), refusal: Refusal | None = None
) -> HttpResponse:
    context: dict[str, Any] = {
        "prompts": prompts,
        "models": [model for model in Model.objects.for_people() if model.current and "text" in model.current.modes],
        "models_now": request.POST.getlist("models") or ticked,
        "times": range(1, MOST_TIMES + 1),
        "times_now": _times(request.POST.get("times", "1")),
        "most": batch.MOST_CLIPS,
        "columns": batch_rows.COLUMNS,
        "most_bytes": batch_rows.MOST_BYTES,
        "refusal": refusal,
        "ways_on": ways_on(refusal, is_signed_in=request.user.is_authenticated) if refusal is not None else [],
    }
    return render(request, "generation/batch.html", context, status=refusal.status if refusal is not None else 200)
