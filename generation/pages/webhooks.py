"""Webhook endpoints of the workspace one is in."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Membership
from accounts.permissions import member_may
from accounts.roles import Action
from generation.pages.webhook_forms import EndpointForm
from generation.webhooks import endpoints, video_events
from generation.webhooks.models import Delivery, Endpoint
from loremotion.refusals import Refusal

SHOWN = 50


@require_safe
@member_may(Action.MANAGE_WEBHOOKS)
def listing(request: HttpRequest, place: Membership) -> HttpResponse:
    return _list_page(request, place, EndpointForm())


@require_POST
@never_cache
@member_may(Action.MANAGE_WEBHOOKS)
def create(request: HttpRequest, place: Membership) -> HttpResponse:
    """Answers with the page that shows the secret, once; there is no address to come back to."""
    form = EndpointForm(request.POST)
    if not form.is_valid():
        return _list_page(request, place, form, status=422)
    try:
        endpoint, secret = endpoints.create(workspace=place.workspace, actor=place.user.email, **form.terms())
    except Refusal as refusal:
        return _list_page(request, place, _with(form, refusal), status=refusal.status)
    return _page(request, place, endpoint, secret=secret)


@require_safe
@member_may(Action.MANAGE_WEBHOOKS)
def detail(request: HttpRequest, place: Membership, endpoint_id: UUID) -> HttpResponse:
    return _page(request, place, _own(place, endpoint_id))


@require_POST
@member_may(Action.MANAGE_WEBHOOKS)
def change(request: HttpRequest, place: Membership, endpoint_id: UUID) -> HttpResponse:
    endpoint = _own(place, endpoint_id)
    form = EndpointForm(request.POST)
    if not form.is_valid():
        return _page(request, place, endpoint, form=form, status=422)
    try:
        endpoints.change(endpoint, actor=place.user.email, **form.terms())
    except Refusal as refusal:
        return _page(request, place, endpoint, form=_with(form, refusal), status=refusal.status)
    return redirect("webhooks:endpoint", endpoint.id)


@require_POST
@never_cache
@member_may(Action.MANAGE_WEBHOOKS)
def rotate(request: HttpRequest, place: Membership, endpoint_id: UUID) -> HttpResponse:
    endpoint = _own(place, endpoint_id)
    keeps_old = request.POST.get("leaked") != "yes"
    secret = endpoints.rotate(endpoint, actor=place.user.email, keeps_old=keeps_old)
    return _page(request, place, endpoint, secret=secret)


@require_POST
@member_may(Action.MANAGE_WEBHOOKS)
def switch(request: HttpRequest, place: Membership, endpoint_id: UUID) -> HttpResponse:
    """On if it is off, off if it is on."""
    endpoint = _own(place, endpoint_id)
    if request.POST.get("to") == "on":
        endpoints.enable(endpoint, actor=place.user.email)
    else:
        endpoints.disable(endpoint, actor=place.user.email)
    return redirect("webhooks:endpoint", endpoint.id)


@require_POST
@member_may(Action.MANAGE_WEBHOOKS)
def test(request: HttpRequest, place: Membership, endpoint_id: UUID) -> HttpResponse:
    endpoint = _own(place, endpoint_id)
    outcome = endpoints.try_out(endpoint, event_type=request.POST.get("event_type", video_events.TYPES[0]))
    if outcome.error:
        messages.warning(request, f"The test did not arrive. {outcome.error}")
    else:
        messages.success(request, f"The test arrived: it answered {outcome.status}.")
    return redirect("webhooks:endpoint", endpoint.id)


@require_POST
@member_may(Action.MANAGE_WEBHOOKS)
def delete(request: HttpRequest, place: Membership, endpoint_id: UUID) -> HttpResponse:
    endpoints.delete(_own(place, endpoint_id), actor=place.user.email)
    return redirect("webhooks:endpoints")


@require_POST
@member_may(Action.MANAGE_WEBHOOKS)
def redeliver(request: HttpRequest, place: Membership, delivery_id: int) -> HttpResponse:
    own = Delivery.objects.select_related("endpoint").filter(endpoint__workspace=place.workspace)
    delivery = get_object_or_404(own, id=delivery_id)
    endpoints.redeliver(delivery)
    messages.success(request, "It is on its way again.")
    return redirect("webhooks:endpoint", delivery.endpoint_id)


def _own(place: Membership, endpoint_id: UUID) -> Endpoint:
    return get_object_or_404(Endpoint.objects.of(place.workspace), id=endpoint_id)


def _with(form: EndpointForm, refusal: Refusal) -> EndpointForm:
    form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
    return form


def _list_page(request: HttpRequest, place: Membership, form: EndpointForm, *, status: int = 200) -> HttpResponse:
    context = {
        "workspace": place.workspace,
        "endpoints": Endpoint.objects.of(place.workspace).order_by("created_at"),
        "form": form,
    }
    return render(request, "webhooks/endpoints.html", context, status=status)


def _page(
    request: HttpRequest,
    place: Membership,
    endpoint: Endpoint,
    *,
    form: EndpointForm | None = None,
    secret: str = "",
    status: int = 200,
) -> HttpResponse:
    known = {"name": endpoint.name, "url": endpoint.url, "event_types": endpoint.event_types}
    context = {
        "workspace": place.workspace,
        "endpoint": endpoint,
        "deliveries": endpoints.recent(endpoint, count=SHOWN),
        "event_types": video_events.TYPES,
        "form": form or EndpointForm(initial=known),
        "secret": secret,
    }
    return render(request, "webhooks/endpoint.html", context, status=status)
