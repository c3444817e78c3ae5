"""What somebody sees who has a clip's link, and nothing else of the workspace that it belongs to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleLessThan
from django.http import Http404
from django.utils.translation import gettext as _

from accounts import bans
from generation.sharing import links, removals
from generation.sharing.models import Share
from loremotion.read_through import get_or_make
from loremotion.row_security import across_workspaces

MODELS_KEPT_SECONDS: Final = 60.0
_PLACE: Final = Tuple(F("featured_at"), F("id"))
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass(frozen=True, slots=True)
class SharedClip:
    """One clip as its link shows it. The prompt is empty where its owner keeps it."""

    share_id: UUID
    token: str
    prompt: str
    is_indexed: bool
    model_slug: str
    model_name: str
    mode: str
    preset: str
    begins_with_files: bool
    """Whether it was made from pictures, videos or sounds, which are not shared."""
    width: int
    height: int
    seconds: float
    asked_size: str
    """As the form calls it; so are ``asked_seconds``."""
    asked_seconds: float
    key: str
    poster_key: str
    sha256: str

    @property
    def title(self) -> str:
        return self.prompt or _("A clip made with %(model)s") % {"model": self.model_name}

    @property
    def address(self) -> str:
        return links.address(self.token)

    @property
    def embed_address(self) -> str:
        return links.embed_address(self.token)


@across_workspaces("the token in the address is the permission, and shows one clip")
def find(token: str) -> SharedClip:
    """The clip that ``token`` shows, in one query.

    Raises:
        Http404: no link has this token, or what it showed is deleted, private, or of somebody who is shut out.
    """
    found = _visible_shares().filter(token=token).first() if _TOKEN.fullmatch(token) else None
    if found is None:
        raise Http404
    return as_shown(found)


@across_workspaces("a clip that anybody with its link sees")
def is_shown(clip: UUID) -> bool:
    """Whether a link shows this clip now."""
    return _visible_shares().filter(clip=clip).exists()


@across_workspaces("staff picked these for a page that is everybody's")
def featured_clips(*, model: str = "", after: str = "", limit: int) -> list[SharedClip]:
    """The newest of the shared clips that staff picked for Explore, in one query or two.

    Args:
        model: of this one alone, by its slug.
        after: the token of the last one of the page before; one that is no pick, or not any more, starts over.
    """
    picked = _picks()
    if model:
        picked = picked.filter(clip__generation__version__model__slug=model)
    if _TOKEN.fullmatch(after):
        last = Share.objects.filter(token=after, featured_at__isnull=False).first()
        if last is not None:
            picked = picked.filter(TupleLessThan(_PLACE, (last.featured_at, last.id)))
    return [as_shown(link) for link in picked.order_by("-featured_at", "-id")[:limit]]


@across_workspaces("staff picked these for a page that is everybody's")
def models_featured() -> list[str]:
    """The slugs of the models that Explore has picks of; kept for a while, since it looks at every pick."""
    slugs = _picks().order_by().values_list("clip__generation__version__model__slug", flat=True).distinct()
    return get_or_make("models-featured", lambda: list(slugs), seconds=MODELS_KEPT_SECONDS)


def _picks() -> QuerySet[Share]:
    return _visible_shares().filter(featured_at__isnull=False, shows_prompt=True, is_indexed=True)


def as_shown(share: Share) -> SharedClip:
    """What of a row of ``_visible_shares`` is public."""
    clip, generation = share.clip, share.clip.generation
    model = generation.version.model
    return SharedClip(
        share_id=share.id,
        token=share.token,
        prompt=generation.prompt if share.shows_prompt else "",
        is_indexed=share.is_indexed,
        model_slug=model.slug,
        model_name=model.name,
        mode=generation.mode,
        preset=generation.preset,
        begins_with_files=bool(generation.inputs),
        width=clip.width,
        height=clip.height,
        seconds=clip.duration_seconds,
        asked_size=f"{generation.delivered_width}x{generation.delivered_height}",
        asked_seconds=round(generation.seconds, 3),
        key=clip.key,
        poster_key=clip.poster_key,
        sha256=clip.served_sha256,
    )


def _visible_shares() -> QuerySet[Share]:
    """Links that lead to something now: not to what is deleted, private or taken down, nor into a workspace that is
    closed, suspended, or a visitor's who is banned, by name or by network."""
    banned = bans.shut_out().filter(workspace=OuterRef("clip__generation__workspace"))
    return Share.objects.filter(
        ~Exists(banned),
        removals.not_removed(),
        clip__generation__deleted_at=None,
        clip__generation__is_private=False,
        clip__generation__workspace__suspended_at=None,
        clip__generation__workspace__closed_at=None,
    ).select_related("clip__generation__version__model")
