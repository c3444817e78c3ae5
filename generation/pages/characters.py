"""Characters: those of the workspace, with what names, renames and deletes one."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from accounts import tenancy
from accounts.caller import Caller
from accounts.roles import Action
from catalog.models import Model, ModelVersion
from generation.characters import keeping
from generation.characters.models import Character
from generation.submission import characters
from loremotion.bodies import takes_files
from loremotion.refusals import Refusal

_TITLES: Final = (
    gettext_lazy("Picture"),
    gettext_lazy("Another picture (optional)"),
    gettext_lazy("A third (optional)"),
)


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Every character of the workspace, and a form that makes one."""
    return _page(request, tenancy.caller_for(request, Action.READ_CLIPS))


@takes_files
@require_POST
def make(request: HttpRequest) -> HttpResponse:
    sent = request.FILES
    files = {role: file for role in characters.REFERENCES if isinstance(file := sent.get(role), UploadedFile)}
    name = request.POST.get("name", "")
    try:
        made = characters.create(request, name=name, files=files, addresses={})
    except Refusal as refusal:
        return _page(request, tenancy.caller_for(request, Action.READ_CLIPS), refusal, name=name)
    messages.success(request, _("%(name)s can be shown by clips from now on.") % {"name": made.name})
    return redirect("generation:characters")


@require_POST
def rename(request: HttpRequest, character_id: UUID) -> HttpResponse:
    caller = tenancy.caller_for(request, Action.GENERATE)
    one = _own(caller, character_id)
    try:
        characters.rename(one, name=request.POST.get("name", ""))
    except Refusal as refusal:
        return _page(request, caller, refusal)
    return redirect("generation:characters")


@require_POST
def delete(request: HttpRequest, character_id: UUID) -> HttpResponse:
    one = _own(tenancy.caller_for(request, Action.GENERATE), character_id)
    keeping.delete(one)
    messages.success(request, _("%(name)s is deleted. Clips that show it stay.") % {"name": one.name})
    return redirect("generation:characters")


def _page(request: HttpRequest, caller: Caller, refusal: Refusal | None = None, *, name: str = "") -> HttpResponse:
    context = {
        "characters": Character.objects.of(caller.workspace),
        "models": [model for model in Model.objects.for_people() if _shows_some(model.current)],
        "roles": list(zip(characters.REFERENCES, _TITLES, strict=True)),
        "refusal": refusal,
        "name": name,
    }
    status = refusal.status if refusal is not None else 200
    return render(request, "characters/listing.html", context, status=status)


def _shows_some(version: ModelVersion | None) -> bool:
    """Whether clips of this model can show a character."""
    if version is None:
        return False
    modes = (version.family_facts.modes[mode] for mode in version.modes)
    return any(characters.REFERENCES[0] in (*mode.needs, *mode.accepts) for mode in modes)


def _own(caller: Caller, character_id: UUID) -> Character:
    return get_object_or_404(Character.objects.of(caller.workspace).select_related("workspace"), id=character_id)
