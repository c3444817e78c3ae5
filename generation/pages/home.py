"""The first page: the prompt box, what it makes, and what was made lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_POST, require_safe

from accounts import tenancy
from accounts.caller import Caller
from accounts.models import Workspace
from accounts.roles import Action
from billing.errors import NotEnoughCredits
from catalog.capabilities import origins_of
from catalog.gates import Audience
from catalog.models import Model
from catalog.offers import Offer
from catalog.selection import chosen_of, version_for
from generation import recipes
from generation.access import own_generation
from generation.api import listing, presentation
from generation.characters.models import Character
from generation.models import Generation, GenerationQuerySet, State
from generation.moderation import gate
from generation.pages import cheaper, checklist
from generation.pages.choices import EXAMPLE, Choice, choices, offer_of
from generation.pages.chosen import sheet_of
from generation.pages.forms import OF_ONE_MODEL, SEEN_BY, TIMES, GenerateForm, sent_values, values_of
from generation.pages.prefill import GOES_ON, Prefill, to_go_on, to_make_again, to_remix, to_run_again, to_vary
from generation.pages.samples import SAMPLES
from generation.pages.start_files import NOTHING_SENT, SentFiles, to_choose_again
from generation.pages.ways_on import ways_on
from generation.provenance import carried
from generation.sharing import public
from generation.submission import batch, finishing
from generation.submission.audience import audience_of
from generation.submission.characters import REFERENCES
from generation.submission.wanted import Start, Wanted, takes_of
from loremotion.bodies import MAX_BODY_BYTES, MAX_FORM_BYTES, takes_files
from loremotion.refusals import Invalid, Refusal

RECENT = 8
RECENT_LOOKED_AT = 3 * RECENT
PICKED = 6
"""Of other people's clips, for whoever has none."""


@require_safe
@ensure_csrf_cookie
def page(request: HttpRequest) -> HttpResponse:
    """The prompt box, and what this visitor has made lately.

    ``?video=`` names an own clip to go on from, ``?again=`` one whose settings the form is filled with (``&vary`` for
    several with other seeds), ``?shared=`` a shared one by its token. ``?model=`` chooses a model, and ``?prompt=``
    fills the box.
    """
    models = list(Model.objects.for_people())
    filled = _prefill(request, models)
    return _generate_page(request, GenerateForm(models=models, initial=filled.values), notices=filled.notices)


def _prefill(request: HttpRequest, models: list[Model]) -> Prefill:
    if shared := request.GET.get("shared", ""):
        return to_remix(public.find(shared), models)
    if (slug := request.GET.get("model", "")) in {model.slug for model in models}:
        return Prefill({"model": slug})
    if prompt := request.GET.get("prompt", "").replace("\x00", "").strip():
        return Prefill({"prompt": prompt[:2000]})
    video, again = request.GET.get("video", ""), request.GET.get("again", "")
    own = Generation.objects.seen_by(tenancy.caller_of(request)).kept().for_display()
    if (continued := _finished(own, video)) is not None:
        return to_go_on(continued, models)
    if not again:
        return Prefill()
    caller = tenancy.caller_for(request, Action.READ_CLIPS)
    prefill = to_make_again(own_generation(caller, _uuid_or_404(again)), models, caller)
    return to_vary(prefill, times=TIMES[-1]) if "vary" in request.GET else prefill


@takes_files
@require_POST
def run_again(request: HttpRequest) -> HttpResponse:
    """The prompt box as a recipe fills it. Nothing is made, and the file is not kept."""
    models = list(Model.objects.for_people())
    sent = request.FILES.get("recipe")
    try:
        if not isinstance(sent, UploadedFile):
            raise Invalid(
                "not_a_recipe", _("No file was sent."), next_step=_("Choose a clip's MP4, or its recipe as JSON.")
            )
        filled = to_run_again(recipes.Recipe.read_file(sent), models)
    except Refusal as refusal:
        return _generate_page(request, GenerateForm(models=models), refusal.status, notices=[str(refusal)])
    return _generate_page(request, GenerateForm(models=models, initial=filled.values), notices=filled.notices)


@takes_files
@require_POST
def create(request: HttpRequest) -> HttpResponse:
    """Take the form, make the clip's row, and go to its page; or show the form again with what is wrong.

    With ``look`` it is shown again with the price and the options of what was chosen: so it goes without JavaScript.
    """
    models = list(Model.objects.for_people())
    sent = SentFiles.of(request)
    if "look" in request.POST:
        form = GenerateForm(models=models, initial=_initial_of(request))
        return _generate_page(request, form, has_credentials=sent.bring_credentials(), sent=sent)
    form = GenerateForm(sent_values(request.POST, models), models=models)
    if not form.is_valid():
        return _generate_page(request, form, status=422)
    try:
        workspace = tenancy.caller_of(request).workspace
        given = sent.those(lambda role: form.takes(role, workspace))
        clips_asked = len(given.of_each_clip()) * form.clip_count()
        asks_again = not form.cleaned_data["credentials_known"] and given.bring_credentials()
        is_unpriced = 1 < len(given.frames) != form.frame_count() and clips_asked <= batch.MOST_CLIPS
        if asks_again or is_unpriced:
            return _generate_page(request, form, 422, has_credentials=asks_again, sent=given)
        clips = form.clips(workspace)
        private, times = form.is_private(), form.clip_count()
        asks, sending = takes_of(form.ask(), times), form.cleaned_data["sending"] or batch.new_sending()
        is_draft, carries = form.cleaned_data["draft"], form.cleaned_data["carry_credentials"]
        starts = [Start(files, clips, carries_credentials=carries) for files in given.of_each_clip()]
        wanted = [Wanted(ask, start, private, is_draft=is_draft) for start in starts for ask in asks]
        made = batch.take_all(request, wanted, sending=sending)
    except Refusal as refusal:
        form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
        return _generate_page(request, form, status=refusal.status, refusal=refusal)
    return redirect("generation:detail", made[0].id) if len(made) == 1 else redirect(sheet_of(made))


def _initial_of(request: HttpRequest) -> dict[str, Any]:
    """Return the request that the form makes: of its options, those of the model that is chosen now, or else those that
    the button offers."""
    said = {name: str(value) for name, value in request.POST.items()}
    offered = {name: value for name, value in QueryDict(said["look"]).items() if name in OF_ONE_MODEL}
    if said.get("model") != said.get("options_of"):
        said = {name: value for name, value in said.items() if name not in OF_ONE_MODEL}
        if said.get("prompt") in ("", EXAMPLE):
            said.pop("prompt")
    return values_of(said, said.get("model", "")) | offered


def _cheaper(form: GenerateForm, refusal: Refusal | None, audience: Audience) -> cheaper.Cheaper | None:
    """What the credits at hand suffice for; None where they were not what was wanting, or suffice for nothing."""
    model = chosen_of(form.models, str(form["model"].value() or ""))
    if not isinstance(refusal, NotEnoughCredits) or model is None:
        return None
    version = version_for(model, audience.workspace_id)
    try:
        own_key = audience.own_key_for(version)
    except Refusal:
        return None
    return cheaper.within(refusal.available, form.ask(), version, own_key=own_key)


def _generate_page(
    request: HttpRequest,
    form: GenerateForm,
    status: int = 200,
    *,
    refusal: Refusal | None = None,
    notices: Sequence[str] = (),
    has_credentials: bool = False,
    sent: SentFiles = NOTHING_SENT,
) -> HttpResponse:
    """The page with the form.

    Args:
        has_credentials: whether a file that was chosen has Content Credentials, and has to be chosen again.
        notices: what is to be said beside what it is filled with.
        refusal: what the form tells of, for where that leads on to.
        sent: files for which the price is, and which have to be chosen again.
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
    given = sent.those(chosen.takes) if chosen is not None else sent
    if times * len(given.frames) > batch.MOST_CLIPS:
        given, notices = NOTHING_SENT, [batch.number_in_words(), *notices]
    frames = max(1, len(given.frames))
    is_continued = continued is not None and chosen is not None and chosen.takes("video")
    context = {
        "form": form,
        "prompt": chosen.example if prompt is None and chosen is not None else prompt,
        "choices": offered,
        "origins": origins_of(choice.version for choice in offered),
        "chosen": chosen,
        "most_bytes": MAX_FORM_BYTES - MAX_BODY_BYTES,  # with room for what is typed
        "recent": (recent := _recent(caller)),
        "shared_clips": (picked := [] if recent else public.featured_clips(limit=PICKED)),
        "samples": SAMPLES if not (recent or picked) and chosen is not None and chosen.examples else (),
        "characters": _characters(workspace, offered),
        "own_clips": [clip for clip in recent if presentation.has_clip(clip)],
        "offer": (offer := _offer(form, model, audience, is_continued=is_continued, given=given)),
        "credits": offer.quote.credits * times * frames if offer is not None else None,
        "clips": times * frames,
        "frames": frames,
        "most_clips": batch.MOST_CLIPS,
        "most_megabytes": (MAX_FORM_BYTES - MAX_BODY_BYTES) // 10**6,
        "ways_on": ways_on(refusal, is_signed_in=request.user.is_authenticated) if refusal is not None else [],
        "may_ask_for_review": refusal is not None and refusal.code in gate.CODES,
        "cheaper": _cheaper(form, refusal, audience),
        "notices": [*to_choose_again(frames, has_credentials=has_credentials), *notices],
        "may_carry_credentials": carried.is_offered(),
        "asks_for_credentials": has_credentials or bool(form["credentials_known"].value()),
        "steps": checklist.steps_of(request, caller),
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


def _characters(workspace: Workspace | None, offered: Sequence[Choice]) -> Sequence[Character] | None:
    """Whom a clip may show; None where no model here takes reference pictures."""
    if not any(file.name == REFERENCES[0] for choice in offered for way in choice.ways for file in way.files):
        return None
    return list(Character.objects.of(workspace).only("name"))


def _seen_by_default(workspace: Workspace | None) -> str:
    return "maker" if workspace is not None and workspace.makes_private_clips else "team"


def _recent(caller: Caller) -> list[Generation]:
    """The newest clips that are made or on their way. What failed or was cancelled stands in the library."""
    found = listing.page(caller, limit=RECENT_LOOKED_AT)
    return [clip for clip in found if clip.state not in (State.FAILED, State.CANCELLED)][:RECENT]


def _finished(own: GenerationQuerySet, generation_id: str) -> Generation | None:
    """The caller's finished clip of that id, if it is one."""
    try:
        return own.filter(id=UUID(generation_id), clip__isnull=False).first() if generation_id else None
    except ValueError:
        return None


def _offer(
    form: GenerateForm, model: Model | None, audience: Audience, *, is_continued: bool, given: SentFiles
) -> Offer | None:
    """What the form asks for as it stands, and its price; None where it cannot be made so, or not by this caller."""
    values = {name: form[name].value() for name in form.fields}
    stands = GenerateForm({name: value for name, value in values.items() if value} | {"prompt": "a clip"}, models=[])
    stands.fields.pop("model")
    if model is None or not stands.is_valid():
        return None
    roles = {*given.by_role, "video"} if is_continued else given.by_role
    ask = replace(stands.ask(), inputs=dict.fromkeys(roles, ""))
    try:
        offer = offer_of(model, ask, audience)
        return finishing.draft(ask, offer) if stands.cleaned_data["draft"] else offer
    except Refusal:
        return None


def _uuid_or_404(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
