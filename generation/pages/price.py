"""The price beside the button, as the form stands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from accounts import networks, tenancy
from billing.plans import entitlements
from catalog.models import Model
from catalog.offers import make_offer
from catalog.selection import chosen_of
from generation.pages.choices import offer_of
from generation.pages.forms import START_FRAME, GenerateForm, sent_values
from generation.pages.ways_on import ways_on
from generation.scheduling import offline, wait
from generation.scheduling.prospect import prospect_of
from generation.submission import finishing
from generation.submission.audience import audience_of
from generation.submission.characters import REFERENCES
from gpu_worker.families import ROLES
from loremotion.refusals import Refusal


@require_safe
def price(request: HttpRequest) -> JsonResponse:
    """The live price beside the button: the same offer that submitting would make."""
    models = list(Model.objects.for_people())
    form = GenerateForm({"prompt": "a clip", **sent_values(request.GET, models)}, models=models)
    if not form.is_valid():
        return JsonResponse({"error": " ".join(str(e) for errors in form.errors.values() for e in errors)}, status=422)
    # What a clip starts from decides its mode, and with it the price; the files themselves are not needed for that.
    workspace = tenancy.caller_of(request).workspace
    roles = {role for role in ROLES if request.GET.get(role)}
    roles |= {REFERENCES[0]} if form.cleaned_data["character"] else set()
    ask = replace(form.ask(), inputs={role: "" for role in roles if form.takes(role, workspace)})
    try:
        may = entitlements(workspace.id if workspace is not None else None)
        audience = audience_of(request, workspace, may)
        model = chosen_of(models, form.cleaned_data["model"])
        offer = whole = offer_of(model, ask, audience) if model is not None else make_offer(ask, audience)
        if form.cleaned_data["draft"]:
            offer = finishing.draft(ask, whole)
    except Refusal as refusal:
        ways = ways_on(refusal, is_signed_in=request.user.is_authenticated)
        return JsonResponse({"error": str(refusal), "field": refusal.field, "ways": ways}, status=refusal.status)
    times = form.clip_count() * (form.frame_count() if START_FRAME in ask.inputs else 1)
    said: dict[str, Any] = {
        "credits": offer.quote.credits * times,
        "times": times,
        "seconds": round(offer.request.seconds, 3),
    }
    if offer is not whole:
        said["to_finish"] = finishing.difference(whole.quote.credits, paid=offer.quote.credits)
    if waits := offline.why_nobody_takes(offer):
        said["waits"] = waits
    elif expected := prospect_of(
        offer,
        workspace,
        may=may,
        network=networks.fingerprint_of(request),
    ):
        said |= {"ready": wait.ready_in_words(expected), "ready_seconds": round(expected.ready.mid)}
    return JsonResponse(said)
