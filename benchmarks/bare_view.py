"""What POST /v1/videos is compared with: Django REST framework, one look-up of the key, one row, and nothing else."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from typing import Any

from django.db import models
from django.urls import path
from rest_framework import exceptions, serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

TABLE = "CREATE TABLE bare_row (id uuid PRIMARY KEY, workspace uuid NOT NULL, body jsonb NOT NULL, created timestamptz)"
"""The one table that it writes, for who sets it up."""


class BareKey(models.Model):
    """The site's keys, as far as the bare view reads them."""

    prefix = models.CharField(max_length=40)
    digest = models.CharField(max_length=64)
    workspace_id = models.UUIDField()
    revoked_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "accounts_apikey"
        app_label = "bare"

    def __str__(self) -> str:
        return self.prefix


class BareRow(models.Model):
    """What the bare view writes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    workspace = models.UUIDField()
    body = models.JSONField()
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        managed = False
        db_table = "bare_row"
        app_label = "bare"

    def __str__(self) -> str:
        return str(self.id)


class BareAuthentication(BaseAuthentication):
    """Knows the key by its digest."""

    def authenticate(self, request: Request) -> tuple[None, BareKey]:
        sent = request.headers.get("Authorization", "")[7:]
        key = BareKey._default_manager.filter(prefix=sent[:20]).first()
        digest = hashlib.sha256(sent.encode()).hexdigest()
        if key is None or key.revoked_at is not None or not hmac.compare_digest(key.digest, digest):
            raise exceptions.AuthenticationFailed
        return None, key


class BareBody(serializers.Serializer[Any]):
    """Four fields of the body that both are sent."""

    prompt = serializers.CharField()
    model = serializers.CharField(required=False)
    seconds = serializers.FloatField(required=False)
    seed = serializers.IntegerField(required=False)


class BareView(APIView):
    """``POST`` writes one row and says so."""

    authentication_classes = [BareAuthentication]
    parser_classes = [JSONParser]
    permission_classes: list[Any] = []

    def post(self, request: Request) -> Response:
        body = BareBody(data=request.data)
        body.is_valid(raise_exception=True)
        key: Any = request.auth
        row = BareRow._default_manager.create(workspace=key.workspace_id, body=body.validated_data)
        created = int(row.created.timestamp())
        return Response(
            {"id": str(row.id), "object": "row", "prompt": body.validated_data["prompt"], "created": created}
        )


urlpatterns = [path("v1/bare", BareView.as_view())]
