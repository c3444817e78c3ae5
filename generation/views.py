"""The pages: each parses, asks who is there, makes one service call and answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_POST, require_safe

from accounts import tenancy
from accounts.roles import Action
from catalog.gates import Audience
from catalog.models import Model
from catalog.pricing import Quote
from catalog.requests import Ask
from generation import estimate, intake, presentation, progress, services
from generation.audience import audience_of
from generation.forms import GenerateForm
from generation.models import Generation, GenerationQuerySet, State
from generation.outbox import wishes
from loremotion.refusals import Refusal

RECENT = 8
STARTS_FROM = ("image", "last_image", "video")
"""Roles that the form can fill: what a clip starts from decides its mode, and with it the price."""
PAGE = 24


@require_safe
@ensure_csrf_cookie
def home(request: HttpRequest) -> HttpResponse:
    """The prompt box, and what this visitor has made lately. ``?video=`` names an own clip to go on from."""
    models = list(Model.objects.for_people())
    return _generate_page(request, GenerateForm(models=models, initial={"video": request.GET.get("video", "")}))


@require_POST
def create(request: HttpRequest) -> HttpResponse:
    """Take the form, make the clip's row, and go to its page; or show the form again with what is wrong."""
    form = GenerateForm(request.POST, models=list(Model.objects.for_people()))
    if not form.is_valid():
        return _generate_page(request, form, status=422)
    try:
        files = {role: file for role, file in request.FILES.items() if isinstance(file, UploadedFile)}
        generation = intake.take(request, form.ask(), files=files, clips=form.clips())
    except Refusal as refusal:
        form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
        return _generate_page(request, form, status=refusal.status)
    return redirect("generation:detail", generation.id)


def _generate_page(request: HttpRequest, form: GenerateForm, status: int = 200) -> HttpResponse:
    workspace = tenancy.caller_of(request).reach(Action.READ_CLIPS)
    own = Generation.objects.of(workspace).for_display()
    continued = _finished(own, str(form["video"].value() or ""))
    context = {
        "form": form,
        "models": form.models,
        "recent": own.order_by("-created_at")[:RECENT],
        "chosen": _chosen(form),
        "first_price": _first_price(form.models, audience_of(request, workspace), is_continued=continued is not None),
        "continued": continued,
    }
    return render(request, "generation/home.html", context, status=status)


def _finished(own: GenerationQuerySet, generation_id: str) -> Generation | None:
    """The caller's finished clip of that id, if it is one."""
    try:
        return own.filter(id=UUID(generation_id), clip__isnull=False).first() if generation_id else None
    except ValueError:
        return None


def _chosen(form: GenerateForm) -> str:
    """Slug of the model whose options are shown, by the server too: without JavaScript nobody else would."""
    said = str(form["model"].value() or "")
    slugs = [model.slug for model in form.models]
    return said if said in slugs else next(iter(slugs), "")


def _first_price(models: list[Model], audience: Audience, *, is_continued: bool) -> Quote | None:
    """What the form costs as it stands when it opens; None when its first model is not for this caller."""
    try:
        inputs = {"video": ""} if is_continued else {}
        ask = Ask(prompt="a clip", model=models[0].slug, inputs=inputs) if models else None
        return services.offer(ask, audience).quote if ask is not None else None
    except Refusal:
        return None


@require_safe
def price(request: HttpRequest) -> JsonResponse:
    """The live price beside the button: the same offer that submitting would make."""
    form = GenerateForm({"prompt": "a clip", **request.GET.dict()}, models=list(Model.objects.for_people()))
    if not form.is_valid():
        return JsonResponse({"error": " ".join(str(e) for errors in form.errors.values() for e in errors)}, status=422)
    ask = replace(form.ask(), inputs={role: "" for role in STARTS_FROM if request.GET.get(role)})
    try:
        offer = services.offer(ask, audience_of(request, tenancy.caller_of(request).workspace))
    except Refusal as refusal:
        return JsonResponse({"error": str(refusal), "field": refusal.field}, status=refusal.status)
    return JsonResponse({"credits": offer.quote.credits, "seconds": round(offer.request.seconds, 3)})


@require_safe
def detail(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    """One clip on its way, or finished. Refreshes itself without JavaScript."""
    generation = own_generation(request, generation_id)
    context: dict[str, Any] = {
        "generation": generation,
        "cost": presentation.cost(generation),
        "is_running": generation.state == State.RUNNING,
    }
    if generation.is_open:
        seen = progress.latest(generation.id)
        member = tenancy.caller_of(request).user
        stage = seen.stage if seen is not None and seen.stage in presentation.STAGES else "queued"
        context |= {
            "wait": estimate.wait_of(generation),
            "seen": seen,
            "stages": presentation.STAGES.items(),
            "stage_now": stage,
            "stage_label": presentation.STAGES[stage],
            "has_asked_for_mail": member is not None and wishes.has_asked(generation, user=member),
        }
    return render(request, "generation/detail.html", context)


@require_POST
def cancel(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    generation = own_generation(request, generation_id, Action.GENERATE)
    services.cancel(generation)
    return redirect("generation:detail", generation.id)


@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """Everything of this workspace, newest first, by keyset so that page 1,000 costs what page 1 does."""
    own = (
        Generation.objects.of(tenancy.workspace_of(request, Action.READ_CLIPS))
        .for_display()
        .order_by("-created_at", "-id")
    )
    before = request.GET.get("before", "")
    if before:
        last = get_object_or_404(own, id=_uuid_or_404(before))
        own = own.older_than(last)
    clips = list(own[: PAGE + 1])
    context = {"clips": clips[:PAGE], "older": clips[PAGE - 1].id if len(clips) > PAGE else None}
    return render(request, "generation/history.html", context)


def own_generation(request: HttpRequest, generation_id: UUID, action: Action = Action.READ_CLIPS) -> Generation:
    """The caller's own generation, for doing ``action`` to it; anybody else's is not found."""
    own = Generation.objects.of(tenancy.workspace_of(request, action)).for_display()
    return get_object_or_404(own, id=generation_id)


def _uuid_or_404(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
