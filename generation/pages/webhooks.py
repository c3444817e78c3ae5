"""Webhook endpoints of the workspace one is in."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts import tenancy
from accounts.models import Membership
from accounts.permissions import member_may
from accounts.roles import Action
from generation.access import titles
from generation.pages.webhook_forms import EndpointForm
from generation.webhooks import endpoints, video_events
from generation.webhooks.models import Delivery, Endpoint
from generation.webhooks.reasons import REASONS
from loremotion.outbox.models import State
from loremotion.refusals import Refusal

SHOWN = 50
SHOWN_IN_LIST = 12
"""Deliveries of each endpoint, as dots."""


@require_safe
@member_may(Action.MANAGE_WEBHOOKS)
def listing(request: HttpRequest, membership: Membership) -> HttpResponse:
    return _list_page(request, membership, EndpointForm())


@require_POST
@never_cache
@member_may(Action.MANAGE_WEBHOOKS)
def create(request: HttpRequest, membership: Membership) -> HttpResponse:
    """Make an endpoint and show its secret, once: there is no address to come back to."""
    form = EndpointForm(request.POST)
    if not form.is_valid():
        return _list_page(request, membership, form, status=422)
    try:
        endpoint, secret = endpoints.create(workspace=membership.workspace, actor=membership.user.email, **form.terms())
    except Refusal as refusal:
        return _list_page(request, membership, _with(form, refusal), status=refusal.status)
    return _page(request, membership, endpoint, secret=secret)


@require_safe
@member_may(Action.MANAGE_WEBHOOKS)
def detail(request: HttpRequest, membership: Membership, endpoint_id: UUID) -> HttpResponse:
    return _page(request, membership, _own(membership, endpoint_id))


@require_POST
@member_may(Action.MANAGE_WEBHOOKS)
def change(request: HttpRequest, membership: Membership, endpoint_id: UUID) -> HttpResponse:
    endpoint = _own(membership, endpoint_id)
    form = EndpointForm(request.POST)
    if not form.is_valid():
        return _page(request, membership, endpoint, form=form, status=422)
    try:
        endpoints.change(endpoint, actor=membership.user.email, **form.terms())
    except Refusal as refusal:
        return _page(request, membership, endpoint, form=_with(form, refusal), status=refusal.status)
    return redirect("webhooks:endpoint", endpoint.id)


@require_POST
@never_cache
@member_may(Action.MANAGE_WEBHOOKS)
def rotate(request: HttpRequest, membership: Membership, endpoint_id: UUID) -> HttpResponse:
    endpoint = _own(membership, endpoint_id)
    keeps_old = request.POST.get("leaked") != "yes"
    secret = endpoints.rotate(endpoint, actor=membership.user.email, keeps_old=keeps_old)
    return _page(request, membership, endpoint, secret=secret)


@require_POST
@member_may(Action.MANAGE_WEBHOOKS)
def switch(request: HttpRequest, membership: Membership, endpoint_id: UUID) -> HttpResponse:
    """Enable a disabled endpoint, disable an enabled one."""
    endpoint = _own(membership, endpoint_id)
    if request.POST.get("to") == "on":
        endpoints.enable(endpoint, actor=membership.user.email)
    else:
        endpoints.disable(endpoint, actor=membership.user.email)
    return redirect("webhooks:endpoint", endpoint.id)


@require_POST
@member_may(Action.MANAGE_WEBHOOKS)
def test(request: HttpRequest, membership: Membership, endpoint_id: UUID) -> HttpResponse:
    endpoint = _own(membership, endpoint_id)
    outcome = endpoints.try_out(endpoint, event_type=request.POST.get("event_type", video_events.TYPES[0]))
    if outcome.error:
        messages.warning(request, _("The test didn't arrive. %(error)s") % {"error": REASONS.say(outcome.error)})
    else:
        messages.success(request, _("The test arrived. The endpoint answered %(status)s.") % {"status": outcome.status})
    return redirect("webhooks:endpoint", endpoint.id)


@require_POST
@member_may(Action.MANAGE_WEBHOOKS)
def delete(request: HttpRequest, membership: Membership, endpoint_id: UUID) -> HttpResponse:
    endpoints.delete(_own(membership, endpoint_id), actor=membership.user.email)
    return redirect("webhooks:endpoints")


@require_POST
@member_may(Action.MANAGE_WEBHOOKS)
def redeliver(request: HttpRequest, membership: Membership, delivery_id: int) -> HttpResponse:
    own = Delivery.objects.select_related("endpoint").filter(endpoint__workspace=membership.workspace)
    delivery = get_object_or_404(own, id=delivery_id)
    endpoints.redeliver(delivery)
    messages.success(request, _("We're sending it again."))
    return redirect("webhooks:endpoint", delivery.endpoint_id)


def _own(membership: Membership, endpoint_id: UUID) -> Endpoint:
    return get_object_or_404(Endpoint.objects.of(membership.workspace), id=endpoint_id)


def _with(form: EndpointForm, refusal: Refusal) -> EndpointForm:
    form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
    return form


def _list_page(request: HttpRequest, membership: Membership, form: EndpointForm, *, status: int = 200) -> HttpResponse:
    own = list(Endpoint.objects.of(membership.workspace).order_by("created_at"))
    latest = endpoints.latest(own, count=SHOWN_IN_LIST)
    context = {
        "workspace": membership.workspace,
        "endpoints": [(endpoint, latest[endpoint.id]) for endpoint in own],
        "test_event": video_events.TYPES[0],
        "form": form,
    }
    return render(request, "webhooks/endpoints.html", context, status=status)


def _page(
    request: HttpRequest,
    membership: Membership,
    endpoint: Endpoint,
    *,
    form: EndpointForm | None = None,
    secret: str = "",
    status: int = 200,
) -> HttpResponse:
    known = {"name": endpoint.name, "url": endpoint.url, "event_types": endpoint.event_types}
    context = {
        "workspace": membership.workspace,
        "endpoint": endpoint,
        "deliveries": (seen := endpoints.recent(endpoint, count=SHOWN)),
        "arrived": sum(delivery.state == State.SENT for delivery in seen),
        "titles": titles(tenancy.caller_of(request), {each.video_id for each in seen if each.video_id}),
        "event_types": video_events.TYPES,
        "form": form or EndpointForm(initial=known),
        "secret": secret,
    }
    return render(request, "webhooks/endpoint.html", context, status=status)
