"""Characters on their way in: their pictures are read once, and what a clip of theirs starts from are copies."""

from __future__ import annotations

import io
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _
from PIL import Image

from accounts import networks, tenancy
from accounts.caller import Caller
from accounts.models import Workspace
from accounts.roles import Action
from generation.characters import keeping
from generation.characters.models import Character
from generation.moderation import gate
from generation.storage import files as stored
from generation.submission import file_kinds, pictures, remote_files, uploads
from loremotion.refusals import Invalid

REFERENCES: Final = ("reference_image", "reference_image_2", "reference_image_3")
"""Roles that a character's pictures take."""
NAMED: Final = ("character", "character_2", "character_3")
"""Under which names, beside own clips by role, a request says whom it shows, by id or name."""
LONGEST_SIDE: Final = 1280
"""Of a picture that is kept: no model looks at more of it, and it lies there for long."""
_PREVIEW_SIDE: Final = 160


def create(
    request: HttpRequest, *, name: str, files: Mapping[str, UploadedFile[Any]], addresses: Mapping[str, str]
) -> Character:
    """Keep a character with the pictures that are sent or named, read as those of any request are.

    Args:
        files: pictures by role; ``addresses``: where others lie, fetched once all else is sound.

    Raises:
        Refusal: with the field, the cause and the next step. Nothing is left behind.
    """
    caller = tenancy.caller_for(request, Action.GENERATE)
    network, name = networks.fingerprint_of(request), keeping.sound_name(name)
    if not files and not addresses:
        raise Invalid(
            "no_pictures",
            _("A character is made of 1 to 3 pictures."),
            next_step=_("Send them as reference_image, reference_image_2 and reference_image_3."),
            field=REFERENCES[0],
        )
    names = [*uploads.names_of(files), *map(remote_files.name_at, addresses.values())]
    with _of_its_name():
        gate.refuse(caller.workspace, prompt=name, negative_prompt="", file_names=names)
    keeping.refuse_another(caller.workspace, name)
    _receive(files, addresses)
    remote_files.refuse_strangers(addresses, caller)
    files = {**files, **remote_files.fetch(addresses, caller, network=network)}
    with pictures.in_line(caller.workspace.id if caller.workspace is not None else network):
        keeping.refuse_another(caller.workspace, name)  # of many at once, only those that are kept are decoded
        given = [_as_kept(one) for one in uploads.prepare(_receive(files))]
    workspace, caller = tenancy.ensure(request, Action.GENERATE)
    words = " ".join(filter(None, map(gate.words_of_file_name, names)))
    keys = [one.key for one in given]
    with uploads.store(given), transaction.atomic():
        return keeping.keep(workspace, name=name, keys=keys, words=words, preview=_preview_of(given[0]))


def rename(character: Character, *, name: str) -> None:
    """Give the character another name. Raises as ``keeping.rename``, and ``Invalid`` of a name that may not be."""
    with _of_its_name():
        gate.refuse(character.workspace, prompt=name, negative_prompt="", file_names=[_called(character)])
    keeping.rename(character, name=name)


def given_by(caller: Caller, said: Mapping[str, str], *, beside: Collection[str]) -> list[uploads.Input]:
    """What a clip of these characters starts from: copies of their pictures, in their order.

    Args:
        said: ids or names under ``NAMED``, among whatever else.
        beside: roles in which something else is given.

    Raises:
        Invalid: the caller has none of that name, or together they have more pictures than a clip takes.
    """
    wanted = [said[name] for name in NAMED if name in said]
    if not wanted:
        return []
    if any(role in REFERENCES for role in beside):
        raise Invalid(
            "repeated_field",
            _("A character and reference pictures are both there."),
            next_step=_("Send one of them."),
            field=NAMED[0],
        )
    cast = _find(caller.workspace, wanted)
    keys = [(one, key) for one in cast for key in one.keys]
    if len(keys) > len(REFERENCES):
        raise Invalid(
            "too_many_pictures",
            _("Together these characters have %(pictures)s pictures, and a clip takes %(most)s.")
            % {"pictures": len(keys), "most": len(REFERENCES)},
            next_step=_("Show fewer of them."),
            field=NAMED[0],
        )
    return [
        uploads.Input(role, f"{stored.INPUTS}{uuid.uuid4()}/{role}.png", copy_of=key, called=_called(one))
        for role, (one, key) in zip(REFERENCES, keys, strict=False)
    ]


@contextmanager
def telling_of(said: Mapping[str, str]) -> Iterator[None]:
    """What the block refuses of a character's pictures is said of the character.

    Raises:
        Invalid: no pictures like that are taken.
    """
    try:
        yield
    except Invalid as refusal:
        if refusal.field not in REFERENCES or NAMED[0] not in said:
            raise
        raise Invalid(
            "takes_no_characters",
            _("This model, or this way of making a clip, takes no reference pictures, which a character is made of."),
            next_step=_("Choose a model with the mode “reference”."),
            field=NAMED[0],
        ) from None


def _called(character: Character) -> str:
    """In words, without the dot behind which the name of a file has its ending."""
    return " ".join(f"{character.name} {character.words}".replace(".", " ").split())


def _find(workspace: Workspace | None, wanted: Sequence[str]) -> list[Character]:
    own = list(Character.objects.of(workspace).defer("preview"))
    by_id = {str(one.id): one for one in own}
    found = []
    for said in wanted:
        one = by_id.get(said.strip().lower()) or next((each for each in own if each.is_called(said)), None)
        if one is None:
            names = ", ".join(each.name for each in own[:10])
            raise Invalid(
                "no_such_character",
                _("You have no character called %(name)s.") % {"name": said[:80]},
                next_step=_("Name one of: %(names)s.") % {"names": names}
                if names
                else _("Make one under Characters first."),
                field=NAMED[0],
            )
        found.append(one)
    if len(set(found)) < len(found):
        raise Invalid(
            "repeated_field", _("A character is named twice."), next_step=_("Name each once."), field=NAMED[0]
        )
    return found


def _receive(files: Mapping[str, UploadedFile[Any]], named: Mapping[str, str] | None = None) -> list[uploads.Input]:
    """The pictures, looked at and not yet decoded. Raises ``Invalid`` of what is kept as it came elsewhere."""
    for role, file in files.items():
        if file.size and file_kinds.is_kept(file):
            raise Invalid(
                f"invalid_{role}",
                _("A character's pictures are JPEG, PNG or WebP."),
                next_step=_("Save this one as a JPEG, and use that."),
                field=role,
            )
    return uploads.receive(files, named=named or ())


def _as_kept(given: uploads.Input) -> uploads.Input:
    """The picture at the size at which it is kept. ``content`` is a PNG of our own."""
    assert given.content is not None
    with Image.open(given.content, formats=["PNG"]) as picture:
        if max(picture.size) <= LONGEST_SIDE:
            given.content.seek(0)
            return given
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
        encoded = io.BytesIO()
        picture.save(encoded, "PNG")
    return replace(given, content=ContentFile(encoded.getvalue()))


def _preview_of(given: uploads.Input) -> bytes:
    assert given.content is not None
    given.content.seek(0)
    encoded = io.BytesIO()
    with Image.open(given.content, formats=["PNG"]) as picture:
        picture.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE), Image.Resampling.LANCZOS)
        picture.convert("RGB").save(encoded, "JPEG", quality=80)
    given.content.seek(0)
    return encoded.getvalue()


@contextmanager
def _of_its_name() -> Iterator[None]:
    """What the block refuses of words is said of the name: a character has no prompt."""
    try:
        yield
    except gate.PromptRefused as refusal:
        message = _("We don't keep a character of this name.")
        raise Invalid("name_refused", message, next_step=_("Choose another name."), field="name") from refusal
