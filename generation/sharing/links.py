"""A clip's link: who makes it and who ends it. What it shows to others is ``generation.sharing.public``'s to say."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts import audit
from accounts.caller import Caller
from accounts.models import Workspace
from generation.models import Clip, Generation
from generation.sharing import removals
from generation.sharing.models import Share
from loremotion.refusals import Conflict


def address(token: str) -> str:
    """The link as it is handed on."""
    return str(settings.SITE_URL) + reverse("generation:shared", args=[token])


def embed_address(token: str) -> str:
    """The address of the player alone, which other sites may show in a frame."""
    return str(settings.SITE_URL) + reverse("generation:shared-embed", args=[token])


def of(generation: Generation) -> Share | None:
    """The clip's link, if it has one."""
    return Share.objects.filter(clip_id=generation.id).first()


@transaction.atomic
def share(generation: Generation, *, caller: Caller, shows_prompt: bool = False, is_indexed: bool = False) -> Share:
    """Return the clip's link, which now shows this much. Sharing again changes what it shows, and not the link.

    Raises:
        Conflict: there is no clip, or it is private or taken down.
    """
    _refuse_unless_shareable(generation)
    shown = {"shows_prompt": shows_prompt, "is_indexed": is_indexed}
    link, is_new = Share.objects.get_or_create(clip_id=generation.id, defaults=shown)
    if is_new:
        _record(caller, "clip.link_created", generation, **shown)
    elif (link.shows_prompt, link.is_indexed) != (shows_prompt, is_indexed):
        link.shows_prompt, link.is_indexed = shows_prompt, is_indexed
        if not (shows_prompt and is_indexed):
            link.featured_at = None  # Explore offers prompts, to anybody
        Share.objects.filter(id=link.id).update(**shown, featured_at=link.featured_at)
        _record(caller, "clip.link_changed", generation, **shown)
    return link


@transaction.atomic
def revoke(generation: Generation, *, caller: Caller) -> None:
    """End the clip's link, so that its address leads nowhere. Twice is once."""
    if Share.objects.filter(clip_id=generation.id).delete()[0]:
        _record(caller, "clip.link_revoked", generation)


def _refuse_unless_shareable(generation: Generation) -> None:
    """The clip is locked until the transaction ends, so that nobody deletes it or makes it private meanwhile."""
    clips = Clip.objects.select_for_update(of=("self", "generation"), no_key=True).select_related("generation")
    clip = clips.filter(generation_id=generation.id, generation__deleted_at=None).first()
    if clip is None:
        raise Conflict("not_made", _("There is no clip to share."), next_step=_("Share it once it is ready."))
    if clip.generation.is_private:
        raise Conflict(
            "clip_is_private", _("This clip is private."), next_step=_("Show it to the team, then share it.")
        )
    if removals.is_removed(clip.sha256):
        raise Conflict(
            "clip_was_taken_down",
            _("This clip was taken down, or the same file in another workspace."),
            next_step=_("If it was this one, you can read why under Reports, and object."),
        )


def _record(caller: Caller, event: str, generation: Generation, **detail: bool) -> None:
    workspace: Workspace = caller.workspace or generation.workspace
    audit.record(workspace, event, actor=caller.name, subject=str(generation.id), request=None, **detail)
