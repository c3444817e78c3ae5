"""What a body asks for, taken apart: values, and what the clip starts from."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from django.core.files.uploadedfile import UploadedFile

from accounts.caller import Caller
from generation.api.serializers import REFERENCE
from generation.provenance import carried, certificate
from generation.submission import characters, remote_files
from gpu_worker.families import ROLES
from loremotion.refusals import Invalid

DEFAULT_ALIAS: Final = "default"
"""The model of whoever names none."""


class Asked(NamedTuple):
    """What a body asks for, and what the clip starts from, by role: files, ids of own clips with characters beside
    them, addresses of files; and whether Content Credentials that the files have go into the clip's own."""

    said: dict[str, Any]
    files: dict[str, UploadedFile[Any]]
    clips: dict[str, str]
    addresses: dict[str, str]
    carries_credentials: bool


def asked_in(said: dict[str, Any], caller: Caller) -> Asked:
    """Take a body apart. Files that it spells out are read; nothing is fetched.

    Raises:
        Invalid: a file is named twice, or in a way that cannot be read, or by a caller who may not name one; or what
            it brings along is to be carried, and this site carries nothing.
    """
    if carries_credentials := bool(said.pop("carry_credentials", None)):
        _refuse_unless_carried()
    cast = characters_in(said)
    for name in ("character", "characters"):
        said.pop(name, None)
    given = {role: said.pop(role) for role in (*ROLES, REFERENCE) if role in said}
    if given.get(REFERENCE) and given.get("image"):
        raise Invalid(
            "repeated_field", f"{REFERENCE} is image by another name.", next_step="Send one of them.", field="image"
        )
    files = {role: one for role, one in given.items() if isinstance(one, UploadedFile)}
    texts = {role: one for role, one in given.items() if isinstance(one, str) and one}
    files |= {role: remote_files.spelled_out(role, one) for role, one in texts.items() if remote_files.is_data(one)}
    addresses = {role: one for role, one in texts.items() if remote_files.is_address(one)}
    remote_files.refuse_strangers(addresses, caller)
    clips = {role: one for role, one in texts.items() if not remote_files.is_named(one)}
    clips |= dict(zip(characters.NAMED, cast, strict=False))
    return Asked(said, files, clips, addresses, carries_credentials)


def characters_in(said: Mapping[str, Any]) -> tuple[str, ...]:
    """The characters that a body names, by id or name.

    Raises:
        Invalid: it does so in two ways.
    """
    one, several = said.get("character"), said.get("characters")
    if one and several:
        raise Invalid(
            "repeated_field", "character and characters are both there.", next_step="Send one.", field="characters"
        )
    return (one,) if one else tuple(several or ())


def _refuse_unless_carried() -> None:
    if certificate.is_configured() and not carried.is_offered():
        raise Invalid(
            "not_carried",
            "This site has its signatures time-stamped, and carries no Content Credentials along then.",
            next_step="Leave carry_credentials out.",
            field="carry_credentials",
        )
    if not certificate.is_configured():
        raise Invalid(
            "not_signed",
            "This site doesn't sign its clips, so no Content Credentials can go along.",
            next_step="Leave carry_credentials out.",
            field="carry_credentials",
        )


@contextmanager
def by_their_names(given: Container[str], mode: str | None) -> Iterator[None]:
    """Name what is refused in the block by what its sender wrote: the first picture by OpenAI's word, and a model in
    place of a ``mode`` that the address says."""
    try:
        yield
    except Invalid as refusal:
        if refusal.field == "image" and REFERENCE in given:
            refusal.field = REFERENCE
        if refusal.field == "mode" and mode is not None:
            refusal.code, refusal.field = "invalid_model", "model"
            refusal.next_step = (
                f"Name a model that does: GET /v1/models says of each which modes it has, such as {mode}."
            )
        raise
