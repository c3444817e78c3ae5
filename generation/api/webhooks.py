"""Webhook endpoints by API: OpenAI's shape on the wire, ours under ``lm``."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import tenancy
from accounts.models import Workspace
from accounts.roles import Action
from generation.api.base import Nothing, VideoView, read
from generation.webhooks import endpoints, video_events
from generation.webhooks.models import Delivery, Endpoint, facts
from loremotion.refusals import Invalid, Unauthorized

MAY = Action.MANAGE_WEBHOOKS
SHOWN = 50


class EndpointSerializer(serializers.Serializer[Any]):
    """The body of ``POST /v1/webhook_endpoints`` and, in part, of a change. Shape only."""

    name = serializers.CharField(max_length=80)
    url = serializers.CharField(max_length=endpoints.LONGEST_URL)
    event_types = serializers.ListField(child=serializers.CharField(max_length=40), max_length=20)
    enabled = serializers.BooleanField(required=False)


class RotateSerializer(serializers.Serializer[Any]):
    keep_old_secret_active_for_24_hours = serializers.BooleanField(default=False)


class TestSerializer(serializers.Serializer[Any]):
    event_type = serializers.CharField(max_length=40, default=video_events.TYPES[0])


class EventTypes(VideoView):
    """``GET`` says which events there are."""

    def get(self, request: Request) -> Response:
        return Response({"object": "list", "data": list(video_events.TYPES)})


class Endpoints(VideoView):
    """``POST`` makes an endpoint and answers with its secret, this once; ``GET`` lists the workspace's."""

    def get(self, request: Request) -> Response:
        own = Endpoint.objects.of(self.caller(MAY).workspace).order_by("-created_at")
        data = [endpoint_json(endpoint) for endpoint in own]  # MOST_ENDPOINTS of them: one page
        return Response(
            {
                "object": "list",
                "data": data,
                "has_more": False,
                "first_id": data[0]["id"] if data else None,
                "last_id": data[-1]["id"] if data else None,
            }
        )

    def post(self, request: Request) -> Response:
        workspace = self.caller(MAY).workspace
        if workspace is None:
            raise Unauthorized("members_only", "Webhooks are for members.", next_step="Send an API key.")
        said = read(EndpointSerializer, request)
        is_enabled = said.pop("enabled", True)
        endpoint, secret = endpoints.create(workspace=workspace, actor=self.actor, is_enabled=is_enabled, **said)
        return Response({**endpoint_json(endpoint), "signing_secret": secret})


class OneEndpoint(VideoView):
    """``GET`` reads it, ``POST`` changes what is named, ``DELETE`` ends it."""

    def get(self, request: Request, endpoint_id: UUID) -> Response:
        return Response(endpoint_json(own_endpoint(self.site_request, endpoint_id)))

    def post(self, request: Request, endpoint_id: UUID) -> Response:
        endpoint = own_endpoint(self.site_request, endpoint_id)
        said = read(EndpointSerializer, request, partial=True)
        is_wanted = said.pop("enabled", None)
        if said:
            endpoints.change(endpoint, actor=self.actor, **said)
        if is_wanted is not None:
            (endpoints.enable if is_wanted else endpoints.disable)(endpoint, actor=self.actor)
        endpoint.refresh_from_db()
        return Response(endpoint_json(endpoint))

    def delete(self, request: Request, endpoint_id: UUID) -> Response:
        endpoints.delete(own_endpoint(self.site_request, endpoint_id), actor=self.actor)
        return Response({"id": str(endpoint_id), "object": "webhook_endpoint.deleted", "deleted": True})


class RotateSecret(VideoView):
    """``POST`` answers with a new secret, this once."""

    def post(self, request: Request, endpoint_id: UUID) -> Response:
        endpoint = own_endpoint(self.site_request, endpoint_id)
        keeps_old = read(RotateSerializer, request)["keep_old_secret_active_for_24_hours"]
        secret = endpoints.rotate(endpoint, actor=self.actor, keeps_old=keeps_old)
        return Response({**endpoint_json(endpoint), "signing_secret": secret})


class Test(VideoView):
    """``POST`` sends a made-up event and waits for the answer."""

    def post(self, request: Request, endpoint_id: UUID) -> Response:
        endpoint = own_endpoint(self.site_request, endpoint_id)
        event_type = read(TestSerializer, request)["event_type"]
        outcome = endpoints.try_out(endpoint, event_type=event_type)
        if outcome.status is None:
            raise Invalid("endpoint_unreachable", outcome.error, field="url")
        return Response(
            {
                "object": "webhook_endpoint.test",
                "webhook_endpoint_id": str(endpoint.id),
                "event_type": event_type,
                "success": True,
                "status_code": outcome.status,
            }
        )


class Deliveries(VideoView):
    """``GET`` lists the latest of one endpoint, newest first."""

    def get(self, request: Request, endpoint_id: UUID) -> Response:
        endpoint = own_endpoint(self.site_request, endpoint_id)
        return Response(
            {"object": "list", "data": [delivery_json(row) for row in endpoints.recent(endpoint, count=SHOWN)]}
        )


class Redeliver(VideoView):
    """``POST`` sends one again, under the same event id."""

    def post(self, request: Request, delivery_id: int) -> Response:
        seen = Delivery.objects.filter(endpoint__workspace=_place_of(self.site_request)).select_related("endpoint")
        delivery = seen.filter(id=delivery_id).first()
        if delivery is None:
            raise Http404
        self.caller(MAY)
        read(Nothing, request)
        endpoints.redeliver(delivery)
        delivery.refresh_from_db()
        return Response(delivery_json(delivery))


def own_endpoint(request: HttpRequest, endpoint_id: UUID) -> Endpoint:
    """The caller's own endpoint; another's is as absent as one that never was.

    Raises:
        Http404: there is none, or it is not the caller's.
        Forbidden: the caller may not look after it.
    """
    endpoint = Endpoint.objects.of(_place_of(request)).filter(id=endpoint_id).first()
    if endpoint is None:
        raise Http404
    tenancy.workspace_of(request, MAY)
    return endpoint


def _place_of(request: HttpRequest) -> Workspace | None:
    return tenancy.caller_of(request).workspace


def endpoint_json(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as OpenAI's clients read it."""
    ours = {
        "enabled": endpoint.is_enabled,
        "disabled_because": endpoint.disabled_because or None,
        "failures_in_a_row": endpoint.failures,
    }
    return {"object": "webhook_endpoint", **facts(endpoint), "lm": ours}


def delivery_json(delivery: Delivery) -> dict[str, Any]:
    """One delivery and how its last attempt went."""
    return {
        "id": delivery.pk,
        "object": "webhook_delivery",
        "event_id": delivery.event_id,
        "event_type": delivery.event_type,
        "video_id": str(delivery.video_id) if delivery.video_id is not None else None,
        "test": delivery.is_test,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "created_at": int(delivery.created_at.timestamp()),
        "next_attempt_at": int(delivery.due_at.timestamp()) if delivery.state == "waiting" else None,
        "status_code": delivery.last_status,
        "answer": delivery.last_answer,
        "error": delivery.last_error or None,
    }
