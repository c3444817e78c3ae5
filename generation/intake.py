"""The way in that pages and the API share: what was sent, the offer, the caller's workspace, the request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest

from accounts import networks, tenancy
from accounts.roles import Action
from catalog.requests import Ask
from generation import services, uploads
from generation.audience import audience_of
from generation.models import Generation


def take(
    request: HttpRequest, ask: Ask, *, files: Mapping[str, UploadedFile[Any]], clips: Mapping[str, str]
) -> Generation:
    """Check everything, then make the request; a newcomer gets a workspace only once the request is sound.

    Args:
        files: pictures by role.
        clips: ids of own clips by role.

    Raises:
        Refusal: with the field, the cause and the next step. Nothing is left behind.
    """
    workspace = tenancy.workspace_of(request, Action.GENERATE)
    given = [*uploads.pictures(files), *(uploads.own_clip(role, clip, workspace) for role, clip in clips.items())]
    ask = replace(ask, inputs=uploads.keys(given))
    offer = services.offer(ask, audience_of(request, workspace))
    workspace = tenancy.ensure(request, Action.GENERATE)
    with uploads.stored(given):
        return services.submit(
            workspace=workspace,
            offer=offer,
            caller=tenancy.caller_of(request),
            network=networks.fingerprint_of(request),
        )
