"""The pages: each parses, asks who is there, makes one service call and answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.text import slugify
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_POST, require_safe

from accounts import networks, tenancy
from accounts.caller import Caller
from accounts.models import Workspace
from accounts.roles import Action
from billing.errors import NotEnoughCredits
from billing.plans import entitlements
from catalog.gates import Audience
from catalog.models import Model
from catalog.offers import Offer, make_offer
from catalog.selection import chosen_of, version_for
from generation import recipes
from generation.access import own_generation, own_receipt
from generation.api import listing, presentation
from generation.boards.models import Board
from generation.live import progress
from generation.models import Generation, GenerationQuerySet, State
from generation.moderation import gate
from generation.pages import cheaper
from generation.pages.choices import EXAMPLE, choices, offer_of
from generation.pages.chosen import sheet_of
from generation.pages.family import family_of
from generation.pages.forms import OF_ONE_MODEL, SEEN_BY, TIMES, GenerateForm, values_of
from generation.pages.prefill import GOES_ON, Prefill, to_go_on, to_make_again, to_remix, to_run_again
from generation.pages.stages import PLAIN_STAGES, plain_title
from generation.pages.ways_on import ways_on
from generation.scheduling import wait
from generation.settlement import deletion, notifications, settle
from generation.sharing import links, public
from generation.storage import conversions
from generation.submission import batch, privacy
from generation.submission.audience import audience_of
from gpu_worker.families import ROLES
from loremotion.bodies import MAX_BODY_BYTES, MAX_FORM_BYTES, takes_files
from loremotion.refusals import Forbidden, Invalid, Refusal

RECENT = 8


@require_safe
@ensure_csrf_cookie
def home(request: HttpRequest) -> HttpResponse:
    """The prompt box, and what this visitor has made lately.

    ``?video=`` names an own clip to go on from, ``?again=`` one whose settings the form is filled with, ``?shared=`` a
    shared one by its token. ``?model=`` chooses a model.
    """
    models = list(Model.objects.for_people())
    filled = _prefill(request, models)
    return _generate_page(request, GenerateForm(models=models, initial=filled.values), notices=filled.notices)


def _prefill(request: HttpRequest, models: list[Model]) -> Prefill:
    if shared := request.GET.get("shared", ""):
        return to_remix(public.find(shared), models)
    if (slug := request.GET.get("model", "")) in {model.slug for model in models}:
        return Prefill({"model": slug})
    video, again = request.GET.get("video", ""), request.GET.get("again", "")
    own = Generation.objects.seen_by(tenancy.caller_of(request)).kept().for_display()
    if (continued := _finished(own, video)) is not None:
        return to_go_on(continued, models)
    if not again:
        return Prefill()
    caller = tenancy.caller_for(request, Action.READ_CLIPS)
    return to_make_again(own_generation(caller, _uuid_or_404(again)), models, caller)


@takes_files
@require_POST
def run_again(request: HttpRequest) -> HttpResponse:
    """The prompt box as a recipe fills it. Nothing is made, and the file is not kept."""
    models = list(Model.objects.for_people())
    sent = request.FILES.get("recipe")
    try:
        if not isinstance(sent, UploadedFile):
            raise Invalid("not_a_recipe", "No file was sent.", next_step="Choose a clip's MP4, or its recipe as JSON.")
        filled = to_run_again(recipes.Recipe.read_file(sent), models)
    except Refusal as refusal:
        return _generate_page(request, GenerateForm(models=models), refusal.status, notices=[str(refusal)])
    return _generate_page(request, GenerateForm(models=models, initial=filled.values), notices=filled.notices)


@require_safe
def recipe(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    """The clip's recipe as a file."""
    clip = own_generation(tenancy.caller_for(request, Action.READ_CLIPS), generation_id)
    response = HttpResponse(recipes.Recipe.of(clip).to_json(), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{slugify(clip.prompt)[:60] or "clip"}.recipe.json"'
    return response


@takes_files
@require_POST
def create(request: HttpRequest) -> HttpResponse:
    """Take the form, make the clip's row, and go to its page; or show the form again with what is wrong.

    With ``look`` it is shown again with the price and the options of what was chosen: so it goes without JavaScript.
    """
    models = list(Model.objects.for_people())
    if "look" in request.POST:
        return _generate_page(request, GenerateForm(models=models, initial=_said(request)))
    form = GenerateForm(_sent(request.POST, models), models=models)
    if not form.is_valid():
        return _generate_page(request, form, status=422)
    try:
        workspace = tenancy.caller_of(request).workspace
        sent = {role: file for role, file in request.FILES.items() if isinstance(file, UploadedFile)}
        files = {role: file for role, file in sent.items() if form.takes(role, workspace)}
        clips = form.clips() if form.takes("video", workspace) else {}
        private, times = form.is_private(), form.clip_count()
        asks, sending = batch.takes_of(form.ask(), times), form.cleaned_data["sending"] or batch.new_sending()
        made = batch.take_all(request, asks, sending=sending, files=files, clips=clips, is_private=private)
    except Refusal as refusal:
        form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
        return _generate_page(request, form, status=refusal.status, refusal=refusal)
    return redirect("generation:detail", made[0].id) if times == 1 else redirect(sheet_of(made))


def _sent(query: QueryDict, models: list[Model]) -> dict[str, Any]:
    """What was sent, with the options of the model that it names, or else of the default."""
    model = chosen_of(models, query.get("model", ""))
    return values_of(query.dict(), model.slug if model is not None else "")


def _said(request: HttpRequest) -> dict[str, Any]:
    """The request that the form makes: of its options, those of the model that is chosen now, or else those that the
    button offers."""
    said = {name: str(value) for name, value in request.POST.items()}
    offered = {name: value for name, value in QueryDict(said["look"]).items() if name in OF_ONE_MODEL}
    if said.get("model") != said.get("options_of"):
        said = {name: value for name, value in said.items() if name not in OF_ONE_MODEL}
        if said.get("prompt") in ("", EXAMPLE):
            said.pop("prompt")
    return values_of(said, said.get("model", "")) | offered


def _cheaper(form: GenerateForm, refusal: Refusal | None, workspace: Workspace | None) -> cheaper.Cheaper | None:
    """What the credits at hand suffice for; None where they were not what was wanting, or suffice for nothing."""
    model = chosen_of(form.models, str(form["model"].value() or ""))
    if not isinstance(refusal, NotEnoughCredits) or model is None:
        return None
    return cheaper.within(refusal.available, form.ask(), version_for(model, workspace.id if workspace else None))


def _generate_page(
    request: HttpRequest,
    form: GenerateForm,
    status: int = 200,
    *,
    refusal: Refusal | None = None,
    notices: Sequence[str] = (),
) -> HttpResponse:
    """The page with the form.

    Args:
        notices: what is to be said beside what it is filled with.
        refusal: what the form tells of, for where that leads on to.
    """
    caller = tenancy.caller_of(request)
    workspace = caller.reach(Action.READ_CLIPS)
    audience = audience_of(request, workspace)
    continued = _finished(Generation.objects.seen_by(caller).kept().for_display(), str(form["video"].value() or ""))
    model = chosen_of(form.models, str(form["model"].value() or ""))
    values = {name: form[name].value() for name in OF_ONE_MODEL}
    if continued is not None:
        values["way"] = values["way"] or GOES_ON
    offered = choices(form.models, audience, chosen=model, values=values)
    chosen = next((choice for choice in offered if choice.model == model), None)
    prompt = form["prompt"].value()
    times = next((each for each in TIMES if str(each) == str(form["times"].value())), 1)
    is_continued = continued is not None and chosen is not None and chosen.takes("video")
    context = {
        "form": form,
        "prompt": chosen.example if prompt is None and chosen is not None else prompt,
        "choices": offered,
        "chosen": chosen,
        "most_bytes": MAX_FORM_BYTES - MAX_BODY_BYTES,  # with room for what is typed
        "recent": (recent := listing.page(caller, limit=RECENT)),
        "own_clips": [clip for clip in recent if presentation.has_clip(clip)],
        "offer": (offer := _offer(form, model, audience, is_continued=is_continued)),
        "credits": offer.quote.credits * times if offer is not None else None,
        "ways_on": ways_on(refusal, is_signed_in=request.user.is_authenticated) if refusal is not None else [],
        "may_ask_for_review": refusal is not None and refusal.code in gate.CODES,
        "cheaper": _cheaper(form, refusal, workspace),
        "notices": notices,
        "is_fresh": not form.is_bound and not form.initial,
        "continued": continued,
        "goes_on": values["way"] == GOES_ON,
        "times": TIMES,
        "times_now": times,
        "sending": batch.new_sending(),
        "seen_by": SEEN_BY,
        "seen_by_now": form["seen_by"].value() or _seen_by_default(workspace),
    }
    return render(request, "generation/home.html", context, status=status)


def _seen_by_default(workspace: Workspace | None) -> str:
    return "maker" if workspace is not None and workspace.makes_private_clips else "team"


def _finished(own: GenerationQuerySet, generation_id: str) -> Generation | None:
    """The caller's finished clip of that id, if it is one."""
    try:
        return own.filter(id=UUID(generation_id), clip__isnull=False).first() if generation_id else None
    except ValueError:
        return None


def _offer(form: GenerateForm, model: Model | None, audience: Audience, *, is_continued: bool) -> Offer | None:
    """What the form asks for as it stands, and its price; None where it cannot be made so, or not by this caller."""
    values = {name: form[name].value() for name in form.fields}
    stands = GenerateForm({name: value for name, value in values.items() if value} | {"prompt": "a clip"}, models=[])
    stands.fields.pop("model")
    if model is None or not stands.is_valid():
        return None
    try:
        return offer_of(model, replace(stands.ask(), inputs={"video": ""} if is_continued else {}), audience)
    except Refusal:
        return None


@require_safe
def price(request: HttpRequest) -> JsonResponse:
    """The live price beside the button: the same offer that submitting would make."""
    models = list(Model.objects.for_people())
    form = GenerateForm({"prompt": "a clip", **_sent(request.GET, models)}, models=models)
    if not form.is_valid():
        return JsonResponse({"error": " ".join(str(e) for errors in form.errors.values() for e in errors)}, status=422)
    # What a clip starts from decides its mode, and with it the price; the files themselves are not needed for that.
    workspace = tenancy.caller_of(request).workspace
    ask = replace(
        form.ask(), inputs={role: "" for role in ROLES if request.GET.get(role) and form.takes(role, workspace)}
    )
    try:
        may = entitlements(workspace.id if workspace is not None else None)
        audience = audience_of(request, workspace, may)
        model = chosen_of(models, form.cleaned_data["model"])
        offer = offer_of(model, ask, audience) if model is not None else make_offer(ask, audience)
    except Refusal as refusal:
        ways = ways_on(refusal, is_signed_in=request.user.is_authenticated)
        return JsonResponse({"error": str(refusal), "field": refusal.field, "ways": ways}, status=refusal.status)
    times = form.clip_count()
    said: dict[str, Any] = {
        "credits": offer.quote.credits * times,
        "times": times,
        "seconds": round(offer.request.seconds, 3),
    }
    if waits := wait.why_nobody_takes(offer):
        said["waits"] = waits
    elif expected := wait.prospect_of(
        offer,
        workspace,
        may=may,
        network=networks.fingerprint_of(request),
    ):
        said |= {"ready": wait.in_words(expected), "ready_seconds": round(expected.ready.mid)}
    return JsonResponse(said)


@require_safe
def detail(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    """One clip on its way, or finished. Refreshes itself without JavaScript. Of a deleted one, the receipt."""
    caller = tenancy.caller_for(request, Action.READ_CLIPS)
    generation = own_receipt(caller, generation_id)
    context: dict[str, Any] = {
        "generation": generation,
        "may_change_privacy": privacy.may_change(caller, generation),
        "may_keep": caller.may(Action.GENERATE) and generation.deleted_at is None,
        "may_delete": not generation.is_open and caller.may(Action.GENERATE),
        "cost": presentation.cost(generation),
        "converts": conversions.is_offered(),
        "is_running": generation.state == State.RUNNING,
        "render_seconds": _render_seconds(generation),
    }
    if (
        caller.may(Action.GENERATE)
        and hasattr(generation, "clip")
        and not (generation.is_private or generation.deleted_at)
    ):
        link = links.of(generation)
        context |= {"may_share": True, "link": link, "link_address": links.address(link.token) if link else ""}
    if generation.is_open:
        seen = progress.latest(generation.id)
        stage = seen.stage if seen is not None and seen.stage in presentation.STAGES else "queued"
        context |= {
            "wait": wait.wait_of(generation),
            "seen": seen,
            "stages": PLAIN_STAGES,
            "stage_now": stage,
            "stage_label": plain_title(stage),
            "has_asked_for_mail": caller.user is not None and notifications.is_requested(generation, user=caller.user),
        }
    else:
        context["boards"] = Board.objects.of(caller.workspace).filter(places__generation=generation)
        context["family"] = family_of(generation, caller) if generation.deleted_at is None else None
        context |= {"newer": _beside(caller, generation, is_newer=True), "older": _beside(caller, generation)}
    return render(request, "generation/detail.html", context)


def _beside(caller: Caller, generation: Generation, *, is_newer: bool = False) -> Generation | None:
    """The clip that comes before or after this one in the library, if there is one."""
    found = listing.page(caller, limit=1, after=generation, is_ascending=is_newer)
    return found[0] if found else None


def _render_seconds(generation: Generation) -> float | None:
    """From start to end of a clip that was made."""
    if generation.state != State.SUCCEEDED or generation.started_at is None or generation.finished_at is None:
        return None
    return max(1.0, (generation.finished_at - generation.started_at).total_seconds())


@require_POST
def mail_when_ended(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    """Ask for a mail about this clip, or take that back. For members: a visitor has no address."""
    caller = tenancy.caller_for(request, Action.READ_CLIPS)
    generation, user = own_generation(caller, generation_id), caller.user
    if user is None:
        raise Forbidden("members_only", "You need an account to get email.", next_step="Sign in first.")
    if request.POST.get("to") == "off":
        notifications.withdraw(generation, user=user)
    else:
        notifications.request(generation, user=user)
    return redirect("generation:detail", generation.id)


@require_POST
def cancel(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    generation = own_generation(tenancy.caller_for(request, Action.GENERATE), generation_id)
    settle.cancel(generation)
    return redirect("generation:detail", generation.id)


@require_POST
def set_privacy(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    """Make a clip private, or show it to the team: ``is_private`` is ``yes`` or anything else."""
    caller = tenancy.caller_for(request, Action.GENERATE)
    generation = own_generation(caller, generation_id)
    is_private = request.POST.get("is_private") == "yes"
    privacy.change(generation, caller=caller, is_private=is_private)
    return redirect("generation:detail", generation.id)


@require_POST
def delete(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    deletion.delete(own_generation(tenancy.caller_for(request, Action.GENERATE), generation_id))
    messages.success(request, "Clip deleted. You can still see what it cost under Credits.")
    return redirect("generation:history")


def _uuid_or_404(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
