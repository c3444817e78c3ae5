"""Clips of a team that not all of it sees: who may say so of one, and that it is noted.

Who sees them is ``GenerationQuerySet.parts_seen_by``'s to say. In a workspace of one person there is nobody to keep
anything from, so nothing is private there.
"""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.caller import Caller
from accounts.models import Workspace
from accounts.roles import Action
from generation.models import Generation
from generation.sharing import links
from loremotion.refusals import Conflict, Forbidden


def of_a_new_clip(workspace: Workspace, *, asked: bool | None) -> bool:
    """Whether a clip begins as private: as its maker asks, else as the team does by default."""
    return workspace.is_team and (workspace.makes_private_clips if asked is None else asked)


def may_change(caller: Caller, generation: Generation) -> bool:
    """Whether the caller may share this clip or keep it to themselves: who made it, a key with
    those before it as one, and who sees all of them."""
    if caller.workspace is None or not caller.workspace.is_team or not caller.may(Action.GENERATE):
        return False
    if caller.key is not None:
        is_own = generation.api_key_id == caller.key.line_id
    else:
        is_own = caller.user is not None and generation.made_by_id == caller.user.id
    return is_own or caller.may(Action.READ_PRIVATE_CLIPS)


def change(generation: Generation, *, caller: Caller, is_private: bool) -> None:
    """Share the clip with the team, or keep it from the team. Twice is once. A private clip has no public link.

    Raises:
        Conflict: the workspace is no team.
        Forbidden: it is another member's clip.
    """
    if caller.workspace is None or not caller.workspace.is_team:
        raise Conflict("not_a_team", _("This workspace is just for you, so nobody else sees its clips."))
    if not may_change(caller, generation):
        raise Forbidden(
            "not_yours",
            _("Only its maker can change who sees this clip."),
            next_step=_("Ask them, or the team's owner."),
        )
    with transaction.atomic():
        if Generation.objects.filter(id=generation.id).exclude(is_private=is_private).update(is_private=is_private):
            event = "clip.made_private" if is_private else "clip.shared"
            audit.record(caller.workspace, event, actor=caller.name, subject=str(generation.id))
        if is_private:
            links.revoke(generation, caller=caller)
