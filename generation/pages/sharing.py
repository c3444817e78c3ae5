"""The pages of a shared clip, for people with or without an account and for sites that embed it."""

from __future__ import annotations

from typing import Final, TypeVar
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_POST, require_safe

from accounts import networks, tenancy
from accounts.roles import Action
from generation.access import own_generation
from generation.notices import likeness
from generation.sharing import links, public
from generation.sharing.public import SharedClip
from generation.storage import serving
from loremotion.refusals import Invalid

_LOADED: Final = " ".join(["'self'", *settings.STORE_ORIGINS])
EMBED_POLICY: Final = (
    f"default-src 'none'; media-src {_LOADED}; img-src {_LOADED}; style-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors *"
)
"""Of the player that other sites show: it loads its own clip, runs no script, and may be framed by anybody."""
R = TypeVar("R", bound=HttpResponseBase)


@require_safe
def page(request: HttpRequest, token: str) -> HttpResponse:
    """The clip with what its owner shares of it, and the way to make one like it."""
    shared = public.find(token)
    return _unlisted(render(request, "sharing/page.html", {"shared": shared, "site": settings.SITE_URL}), shared)


@xframe_options_exempt
@require_safe
def embed(request: HttpRequest, token: str) -> HttpResponse:
    """The player alone, for a frame on another site. Search engines list the page instead."""
    response = render(request, "sharing/embed.html", {"shared": public.find(token)})
    response["Content-Security-Policy"] = EMBED_POLICY
    response["X-Robots-Tag"] = "noindex"
    return response


@require_safe
def clip(request: HttpRequest, token: str) -> HttpResponseBase:
    """The MP4, whole or in ranges. ``?download`` gives it a name and a Save dialogue."""
    shared = public.find(token)
    reader = _reader_of(request, shared)
    name = serving.download_name(request, shared.prompt, "mp4")
    etag = f'"{shared.sha256}"'
    response = serving.serve_file(request, shared.key, "video/mp4", reader=reader, etag=etag, download_name=name)
    return _unlisted(response, shared)


@require_safe
def poster(request: HttpRequest, token: str) -> HttpResponseBase:
    shared = public.find(token)
    etag = f'"{shared.sha256}-poster"'
    reader = _reader_of(request, shared)
    response = serving.serve_file(request, shared.poster_key, "image/jpeg", reader=reader, etag=etag)
    return _unlisted(response, shared)


def _reader_of(request: HttpRequest, shared: SharedClip) -> UUID:
    """Who is counted as one reader of a link: a network, or whoever reads slowly would keep everybody from the clip."""
    return uuid5(shared.share_id, networks.prefix_of(request))


def _unlisted(response: R, shared: SharedClip) -> R:
    """The answer, which search engines leave out unless the owner wants the clip to be found."""
    if not shared.is_indexed:
        response["X-Robots-Tag"] = "noindex"
    return response


@require_safe
def oembed(request: HttpRequest) -> HttpResponse:
    """The player as oEmbed 1.0 describes it, for sites that are given the link."""
    if request.GET.get("format", "json") != "json":
        return HttpResponse(status=501, content_type="text/plain", content="Only JSON is offered.\n")
    shared = public.find(_token_in(request.GET.get("url", "")))
    width, height = _fitted(shared, _bound(request, "maxwidth"), _bound(request, "maxheight"))
    frame = {"address": shared.embed_address, "title": shared.title, "width": width, "height": height}
    response = JsonResponse(
        {
            "version": "1.0",
            "type": "video",
            "provider_name": "LoreMotion",
            "provider_url": settings.SITE_URL,
            "title": shared.title,
            "width": width,
            "height": height,
            "html": render_to_string("sharing/frame.html", frame).strip(),
            "thumbnail_url": f"{shared.address}poster.jpg",
            "thumbnail_width": shared.width,
            "thumbnail_height": shared.height,
        }
    )
    response["Access-Control-Allow-Origin"] = "*"
    return response


def _token_in(address: str) -> str:
    """The token in the address of a shared clip's page.

    Raises:
        Http404: it is no such address.
    """
    try:
        parts = urlsplit(address)
        found = resolve(parts.path) if parts.netloc == urlsplit(settings.SITE_URL).netloc else None
    except (Resolver404, ValueError):
        found = None
    if found is None or found.view_name != "generation:shared":
        raise Http404
    return str(found.kwargs["token"])


def _bound(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) > 0):
        raise Invalid(f"invalid_{name}", _("%(name)s is a whole number of pixels.") % {"name": name}, field=name)
    return int(text)


def _fitted(shared: SharedClip, most_width: int | None, most_height: int | None) -> tuple[int, int]:
    """Width and height of the player in its clip's shape, within what the site has room for."""
    share = min(1.0, (most_width or shared.width) / shared.width, (most_height or shared.height) / shared.height)
    return max(1, round(shared.width * share)), max(1, round(shared.height * share))


@require_POST
def share(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    """Make the clip's link, or change what it shows."""
    caller = tenancy.caller_for(request, Action.GENERATE)
    likeness.share(
        own_generation(caller, generation_id),
        caller=caller,
        shows_prompt="shows_prompt" in request.POST,
        is_indexed="is_indexed" in request.POST,
    )
    return redirect(_panel(generation_id))


@require_POST
def revoke(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    caller = tenancy.caller_for(request, Action.GENERATE)
    links.revoke(own_generation(caller, generation_id), caller=caller)
    messages.success(request, _("The link is revoked. Its address leads nowhere now."))
    return redirect("generation:detail", generation_id)


def _panel(generation_id: UUID) -> str:
    return redirect("generation:detail", generation_id).url + "#link"
