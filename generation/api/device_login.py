"""How a program without a browser gets a key: ``accounts.device_login`` over HTTP. Nobody who asks has one yet."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import device_login, networks
from generation.api.base import VideoView, read


class BeginSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=device_login.LONGEST_NAME)


class ClaimSerializer(serializers.Serializer[Any]):
    device_code = serializers.CharField(max_length=100)


class DeviceLogins(VideoView):
    """``POST`` begins a login."""

    authentication_classes = []

    def post(self, request: Request) -> Response:
        name = read(BeginSerializer, request)["name"]
        begun = device_login.begin(name=name, network=networks.lasting_fingerprint_of(request))
        page = settings.SITE_URL + reverse("accounts:connect-device")
        return Response(
            {
                "object": "device_login",
                "status": device_login.Status.PENDING,
                "device_code": begun.device_code,
                "user_code": begun.user_code,
                "verification_uri": page,
                "verification_uri_complete": f"{page}?code={begun.user_code}",
                "expires_in": device_login.LASTS_SECONDS,
                "interval": device_login.POLL_SECONDS,
            }
        )


class ClaimDeviceLogin(VideoView):
    """``POST`` says what became of a login, and once it is agreed to gives its key, once."""

    authentication_classes = []

    def post(self, request: Request) -> Response:
        claimed = device_login.claim(read(ClaimSerializer, request)["device_code"])
        said: dict[str, Any] = {"object": "device_login", "status": claimed.status}
        if claimed.key is not None:
            said |= {"api_key": claimed.text, "name": claimed.key.name, "scopes": claimed.key.scopes}
        return Response(said)
