"""What people do with characters: keep them, name them and delete them. No clip is lost here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import tenancy
from accounts.models import Workspace
from accounts.roles import Action
from generation.characters.models import MOST_NAME_CHARACTERS, Character
from generation.models import Upload
from loremotion.refusals import Conflict, Invalid
from loremotion.row_security import across_workspaces

MOST_CHARACTERS: Final = 20
MOST_PICTURES: Final = 3


@transaction.atomic
def keep(workspace: Workspace, *, name: str, keys: Sequence[str], words: str, preview: bytes) -> Character:
    """Make a character of pictures that are stored already, which go with it from now on.

    Raises:
        Conflict: as ``refuse_another``.
        Invalid: as ``sound_name``.
    """
    name = sound_name(name)
    tenancy.lock_and_recheck(workspace, Action.GENERATE)  # of two at once, the second counts the first
    refuse_another(workspace, name)
    _note(keys, is_kept=True)
    return Character.objects.create(workspace=workspace, name=name, keys=list(keys), words=words, preview=preview)


def refuse_another(workspace: Workspace | None, name: str) -> None:
    """Refuse one more character of this name.

    Raises:
        Conflict: there is one of that name, or as many as there may be.
    """
    there = list(Character.objects.of(workspace).only("name"))
    if any(one.is_called(name) for one in there):
        raise _taken(name)
    if len(there) >= MOST_CHARACTERS:
        raise Conflict(
            "too_many_characters",
            _("You have %(most)s characters, the limit.") % {"most": MOST_CHARACTERS},
            next_step=_("Delete one you don't need."),
        )


@transaction.atomic
def rename(character: Character, *, name: str) -> None:
    """Give the character another name.

    Raises:
        Conflict: another one has it.
        Invalid: as ``sound_name``.
    """
    name = sound_name(name)
    tenancy.lock_and_recheck(character.workspace, Action.GENERATE)
    others = Character.objects.of(character.workspace).exclude(id=character.id)
    if any(one.is_called(name) for one in others.only("name")):
        raise _taken(name)
    Character.objects.filter(id=character.id).update(name=name)


@transaction.atomic
def delete(character: Character) -> None:
    """Delete the character, and with the next sweep its pictures. Clips that show it have copies, and stay."""
    Character.objects.filter(id=character.id).delete()
    let_go(character.keys)


def let_go(keys: Sequence[str]) -> None:
    """Have pictures removed with the next sweep."""
    _note(keys, is_kept=False)


def sound_name(name: str) -> str:
    """The name as it is kept.

    Raises:
        Invalid: it says nothing, or too much.
    """
    name = " ".join(name.replace("\x00", "").split())
    if not 0 < len(name) <= MOST_NAME_CHARACTERS:
        raise Invalid(
            "invalid_name",
            _("The name of a character has 1 to %(most)s letters.") % {"most": MOST_NAME_CHARACTERS},
            next_step=_("Choose another name."),
            field="name",
        )
    return name


@across_workspaces("what was sent for no clip is nobody's by its row; the character that names it is")
def _note(keys: Sequence[str], *, is_kept: bool) -> None:
    Upload.objects.filter(key__in=keys).update(expires_at=None if is_kept else timezone.now())


def _taken(name: str) -> Conflict:
    return Conflict(
        "name_is_taken",
        _("There is a character called %(name)s already.") % {"name": name},
        next_step=_("Choose another name."),
        field="name",
    )
