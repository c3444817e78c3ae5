"""Characters go where their workspace goes: what ``accounts.workspace_data`` asks of this app."""

from __future__ import annotations

import json
from collections.abc import Iterator

from django.core.files.storage import default_storage

from accounts.caller import Caller
from accounts.models import Workspace
from accounts.workspace_data import ExportedFile
from generation.characters import keeping
from generation.characters.models import MOST_NAME_CHARACTERS, Character


def move(*, source: Workspace, into: Workspace) -> None:
    """Move characters. One whose name is taken there is called by another, and there may be more of them then than
    anybody could make."""
    taken = {name.casefold() for name in Character.objects.of(into).values_list("name", flat=True)}
    for character in Character.objects.of(source):
        name, number = character.name, 2
        while name.casefold() in taken:
            ending = f" {number}"
            name, number = f"{character.name[: MOST_NAME_CHARACTERS - len(ending)]}{ending}", number + 1
        taken.add(name.casefold())
        Character.objects.filter(id=character.id).update(workspace=into, name=name)


def stop(workspace: Workspace) -> None:
    """Do nothing: a character does nothing by itself."""


def export(workspace: Workspace, *, reader: Caller) -> Iterator[ExportedFile]:
    """Yield every character with its pictures."""
    found = list(Character.objects.of(workspace))
    told = [{"id": one.id, "name": one.name, "words": one.words, "created_at": one.created_at} for one in found]
    yield ExportedFile("characters.json", json.dumps(told, indent=1, default=str, ensure_ascii=False))
    for one in found:
        for number, key in enumerate(one.keys, 1):
            if default_storage.exists(key):
                yield ExportedFile(f"characters/{one.id}/{number}.png", default_storage.open(key))


def erase(workspace: Workspace) -> None:
    """Delete the rows at once, and the pictures with the next sweep."""
    for character in Character.objects.of(workspace):
        keeping.let_go(character.keys)
    Character.objects.filter(workspace=workspace).delete()
