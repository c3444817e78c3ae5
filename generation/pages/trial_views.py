"""Test renders in the admin: start one, watch it, see what it took."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from catalog import catalogue_fieldsets, measurements
from catalog.models import Model, ModelVersion
from generation.models import TRIALS_WORKSPACE, Generation
from generation.staff import trial_figures
from generation.storage import serving
from generation.submission import trials
from loremotion.refusals import Refusal
from loremotion.staff_pages import RightLacking


@require_POST
def start(request: HttpRequest, version_id: int) -> HttpResponse:
    """Start a trial, of the version as it is or like one of its clips, and go to its page; or back with the reason."""
    _refuse_unless_staff(request)
    version = get_object_or_404(ModelVersion.objects.select_related("model"), pk=version_id)
    user = cast(User, request.user)
    like = _clip_of(version, request.POST.get("like", ""))
    try:
        trial = trials.start(version, by=user, mode=request.POST.get("mode", ""), like=like)
    except Refusal as refusal:
        messages.warning(request, str(refusal))
        return redirect("admin:catalog_model_versions", version.model_id)
    said = [{"added": {"name": "test render", "object": f"version {version.number}", "trial": str(trial.id)}}]
    LogEntry.objects.log_actions(user.pk, [version.model], CHANGE, said, single_object=True)
    return redirect("generation:trial", trial.id)


@require_safe
def show(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    """How a trial stands, and the clip, time and peak bytes when it is done."""
    _refuse_unless_staff(request)
    trial = _trial(generation_id)
    version = trial.version
    stages = trial_figures.stages(trial)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": f"Test render of {version.model}, version {version.number}",
        "trial": trial,
        "progress": trial_figures.trial_progress(trial),
        "stages": stages,
        "longest": max((each.seconds for each in stages if each.seconds), default=0.0),
        "total": sum(each.seconds or 0.0 for each in stages),
        "compared": trial_figures.compare(trial),
        "steps": catalogue_fieldsets.STEPS if version.model.status == Model.Status.DRAFT else (),
        "step": 4,
        "others": [other for other in trials.of(version) if other.id != trial.id],
        "similarity": measurements.similarity(version),
        "is_poor": measurements.is_poor(version),
        "least_similarity": measurements.least_similarity(version),
    }
    return TemplateResponse(request, "admin/generation/trial.html", context)


@require_safe
def clip(request: HttpRequest, generation_id: UUID) -> HttpResponseBase:
    """The MP4 of a trial."""
    _refuse_unless_staff(request)
    trial = get_object_or_404(_trials(), id=generation_id, clip__isnull=False)
    return serving.serve_file(request, trial.clip.key, "video/mp4", reader=None)


@require_safe
def poster(request: HttpRequest, generation_id: UUID) -> HttpResponseBase:
    """The picture of a trial, for whoever may look at the catalogue: it shows words and pictures of ours alone."""
    if not request.user.has_perm("catalog.view_model"):
        raise RightLacking("catalog.view_model")
    own = get_object_or_404(_trials(), id=generation_id, clip__isnull=False).clip
    return serving.serve_file(request, own.poster_key, "image/jpeg", reader=None, etag=f'"{own.sha256}-poster"')


def _refuse_unless_staff(request: HttpRequest) -> None:
    if not request.user.has_perm("catalog.change_model"):
        raise RightLacking("catalog.change_model")


def _clip_of(version: ModelVersion, named: str) -> Generation | None:
    """The clip of the version that is named; None where none is."""
    if not named:
        return None
    try:
        return get_object_or_404(Generation, id=UUID(named), version=version)
    except ValueError:
        raise Http404 from None


def _trials() -> Any:
    return Generation.objects.filter(workspace_id=TRIALS_WORKSPACE).for_display()


def _trial(generation_id: UUID) -> Generation:
    trial: Generation = get_object_or_404(_trials(), id=generation_id)
    return trial


def _for_staff(route: str, view: Any, name: str) -> URLPattern:
    made: URLPattern = path(route, admin.site.admin_view(view), name=name)
    return made


urlpatterns = [
    _for_staff("admin/trials/start/<int:version_id>/", start, "trial-start"),
    _for_staff("admin/trials/<uuid:generation_id>/", show, "trial"),
    _for_staff("admin/trials/<uuid:generation_id>/clip.mp4", clip, "trial-clip"),
    _for_staff("admin/trials/<uuid:generation_id>/poster.jpg", poster, "trial-poster"),
]
