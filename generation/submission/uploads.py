"""What a clip starts from: files that somebody sends, and own clips.

Nothing that was sent is used as it came. A picture is decoded here and kept as a PNG of our own. A video, a sound, a
HEIC or an AVIF is kept as it came, under a key that no address on the site serves, and only the reader on a GPU host
opens it, which hands on pixels and samples. What is cheap to refuse is refused first: ``receive`` looks, ``prepare``
works. Content Credentials that a file has of its own are kept beside it, where whoever sends it wants them to go into
the clip's own.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.caller import Caller
from generation.models import Clip, Generation, Upload
from generation.provenance import carried
from generation.provenance.carried import Brought
from generation.storage import files, retention
from generation.submission import file_kinds, pictures
from generation.submission.file_faults import FAULTS
from generation.submission.picture_decoding import WrongSize
from gpu_worker.families import ROLES, Kind
from loremotion.refusals import Invalid
from loremotion.row_security import across_workspaces

MAX_FILES: Final = 6
MAX_BYTES: Final = {Kind.PICTURE: 50 * 10**6, Kind.CLIP: 100 * 10**6, Kind.SOUND: 30 * 10**6}
FORMATS: Final = {
    Kind.PICTURE: gettext_lazy("a JPEG, PNG, WebP, HEIC or AVIF"),
    Kind.CLIP: gettext_lazy("an MP4, MOV or WebM of at most a minute"),
    Kind.SOUND: gettext_lazy("a WAV, MP3, M4A, AAC, OGG or FLAC"),
}


@dataclass(frozen=True, slots=True)
class Input:
    """One thing that a clip starts from. ``content`` is what is still to be stored; an own clip is stored already."""

    role: str
    key: str
    content: File[Any] | None = None
    kind: Kind = Kind.CLIP
    seconds: float = 0.0
    """Of an own clip, or of a video as its header says; 0 where it does not."""
    has_credentials: bool = False
    """Whether what was sent seems to have Content Credentials, which are yet to be read."""
    brought: Brought | None = None
    """Those, once they are read."""
    copy_of: str = ""
    """The key of a stored picture, whose copy it will be; ``content`` once it is opened."""
    called: str = ""
    """What a person calls what it shows, where more is known than a file's name."""

    @property
    def takes_work(self) -> bool:
        """Whether something is yet to be decoded or read."""
        return self.content is not None and (self.kind == Kind.PICTURE or self.has_credentials)

    @property
    def stored_bytes(self) -> int:
        """What is yet to be stored."""
        if self.content is None:
            return 0
        return int(self.content.size) + (len(self.brought.archive) if self.brought is not None else 0)


def receive(sent: Mapping[str, UploadedFile[Any]], *, named: Collection[str] = ()) -> list[Input]:
    """The uploaded files by the roles that their fields name, looked at and not yet decoded. ``input_reference`` is
    OpenAI's word for ``image``.

    Args:
        named: fields whose files are yet to be fetched, of which no more than the role is known.

    Raises:
        Invalid: too many, too large, or of another kind than the role takes.
    """
    if (count := len(sent) + len(named)) > MAX_FILES:
        raise Invalid(
            "too_many_files",
            _("You sent %(count)s files.") % {"count": count},
            next_step=_("Send at most %(most)s.") % {"most": MAX_FILES},
        )
    return [
        *(_received(_role_of(name), file) for name, file in sent.items()),
        *(Input(_role_of(name), "") for name in named),
    ]


def _role_of(name: str) -> str:
    return "image" if name == "input_reference" else name


def describe_wanted(kind: Kind) -> str:
    """Return which files of ``kind`` are taken, in the words of a refusal and of the API's contract."""
    return _("%(formats)s, at most %(most)s MB") % {"formats": FORMATS[kind], "most": MAX_BYTES[kind] // 10**6}


def _kind_words(kind: Kind) -> str:
    return {Kind.PICTURE: _("picture"), Kind.CLIP: _("clip"), Kind.SOUND: _("sound")}[kind]


def _received(role: str, file: UploadedFile[Any]) -> Input:
    wanted = ROLES[role].kind if role in ROLES else Kind.PICTURE
    found, name = file_kinds.kinds_of(file), file_kinds.name_of(file)
    kind = Kind.CLIP if role == "mask" and Kind.CLIP in found else wanted  # a mask may move
    if (file.size or 0) > MAX_BYTES[kind]:
        raise _refuse(
            role,
            _("The %(file)s is %(size)s MB.")
            % {"file": name or _kind_words(kind), "size": number_format((file.size or 0) / 1e6, 1)},
            _("Use one of at most %(most)s MB.") % {"most": MAX_BYTES[kind] // 10**6},
        )
    if not file.size:
        raise _refuse(role, _("The file is empty."), _("Use %(wanted)s.") % {"wanted": describe_wanted(kind)})
    if kind not in found:
        words = _("We can't use this %(format)s file here.") if name else _("We can't use this file here.")
        raise _refuse(
            role,
            words % {"format": name},
            _("Use %(wanted)s.") % {"wanted": describe_wanted(kind)},
        )
    if wrong := file_kinds.find_fault(file, kind):
        raise _refuse(
            role,
            FAULTS.say(f"The {name} {wrong}"),
            _("Use %(wanted)s.") % {"wanted": describe_wanted(kind)},
        )
    seconds = (file_kinds.seconds_of(file) or 0.0) if kind == Kind.CLIP else 0.0
    suffix = "png" if kind == Kind.PICTURE and not file_kinds.is_kept(file) else "sent"
    key = f"{files.INPUTS}{uuid.uuid4()}/{role}.{suffix}"
    return Input(role, key, file, kind, seconds, has_credentials=carried.brings_some(file))


def names_of(files: Mapping[str, UploadedFile[Any]], given: Iterable[Input] = ()) -> list[str]:
    """What whoever sent them calls them, and what they call what is ``given`` besides."""
    return [*(file.name or "" for file in files.values()), *dict.fromkeys(one.called for one in given if one.called)]


def prepare(inputs: Iterable[Input], *, carries_credentials: bool = False) -> list[Input]:
    """The inputs with every picture decoded and encoded anew, save those that the GPU host's reader decodes, and with
    the Content Credentials that each brings along.

    Args:
        carries_credentials: whether these go into the clip's own.

    Raises:
        Invalid: a picture is damaged, or has too many pixels; or its Content Credentials are to go along, and cannot.
        Unavailable: others are being read, and go on being so.
    """
    return _opened([_prepared(given, carries_credentials) for given in inputs])


def _opened(inputs: list[Input]) -> list[Input]:
    """The inputs, with copies opened that are to be made, and with what their originals brought along."""
    if not (originals := {given.copy_of for given in inputs if given.copy_of}):
        return inputs
    with across_workspaces("what was sent for no clip is nobody's by its row"):
        brought = _brought_before(originals)
    try:
        return [
            replace(given, content=default_storage.open(given.copy_of), brought=brought.get(given.copy_of))
            if given.copy_of
            else given
            for given in inputs
        ]
    except FileNotFoundError:
        raise Invalid("pictures_are_gone", _("These pictures were just deleted."), next_step=_("Use others.")) from None


def _prepared(given: Input, carries_credentials: bool) -> Input:
    if (content := given.content) is None:
        return given
    if given.has_credentials:
        given = replace(given, has_credentials=False, brought=_brought(given.role, content, carries_credentials))
    return replace(given, content=_usable(given.role, content)) if given.kind == Kind.PICTURE else given


def _brought(role: str, file: File[Any], carries: bool) -> Brought | None:
    try:
        return carried.take_out(file, carries=carries)
    except carried.NotCarried as problem:
        raise _refuse(role, FAULTS.say(f"Its Content Credentials {problem}."), _("Leave them out.")) from None


def _usable(role: str, file: File[Any]) -> File[Any]:
    """A picture that may be stored: as PNG, or as it came where it was looked at."""
    try:
        if not file_kinds.is_kept(file):
            return pictures.to_png(file)
        pictures.look_at(file, file_kinds.name_of(file))
        return file
    except WrongSize as problem:
        raise _refuse(role, FAULTS.say(str(problem)), FAULTS.say(problem.next_step)) from None
    except pictures.Unreadable as problem:
        name = file_kinds.name_of(file)
        raise _refuse(
            role,
            FAULTS.say(f"The {name} {problem}."),
            _("Save it again, for example as a JPEG, and use that."),
        ) from None


def own_clip(role: str, generation_id: str, caller: Caller) -> Input:
    """A finished clip that the caller sees, to continue, to change or to listen to.

    Raises:
        Invalid: there is none of that id, or it is not theirs.
    """
    try:
        clip = Clip.objects.get(generation__in=Generation.objects.seen_by(caller).filter(id=uuid.UUID(generation_id)))
    except (Clip.DoesNotExist, ValueError):
        raise _refuse(role, _("You have no finished clip with that id."), _("Use the id of a finished clip.")) from None
    return Input(role, clip.key, seconds=clip.duration_seconds)


def again(generation: Generation) -> list[Input]:
    """What a clip began with: own clips as they are, and copies of what was uploaded, which go with their own clip and
    with the Content Credentials that went into its first one."""
    sent = {role: key for role, key in generation.inputs.items() if key.startswith(files.INPUTS)}
    brought = _brought_before(sent.values())
    return [
        Input(
            role,
            f"{files.INPUTS}{uuid.uuid4()}/{key.rpartition('/')[2]}",
            content=default_storage.open(key),
            brought=brought.get(key),
        )
        if role in sent
        else Input(role, key)
        for role, key in generation.inputs.items()
    ]


def _brought_before(keys: Collection[str]) -> dict[str, Brought]:
    """What uploads brought along, by their keys."""
    noted = Upload.objects.filter(key__in=keys).exclude(sent_sha256="") if keys else ()
    return {upload.key: Brought(upload.sent_sha256, carried.stored_beside(upload.key)) for upload in noted}


def keys(inputs: Iterable[Input]) -> dict[str, str]:
    """Role → storage key, as a request names them."""
    return {given.role: given.key for given in inputs}


@contextmanager
def store(inputs: Iterable[Input]) -> Iterator[None]:
    """Store what is new for the request that is made in the block; a request that is refused leaves no file.

    The rows are there before the files: whatever dies in between, retention knows what to remove.
    """
    sent = [given for given in inputs if given.content is not None]
    new: dict[str, File[Any]] = {}
    for given in sent:
        assert given.content is not None
        new[given.key] = given.content
        if given.brought is not None and given.brought.archive:
            new[files.credentials_key(given.key)] = ContentFile(given.brought.archive)
    uses = Counter(new.values())
    digests = {given.key: given.brought.sha256 for given in sent if given.brought is not None}
    retention.note_uploads({key: digests.get(key, "") for key in new})
    try:
        for key, content in new.items():
            # A folder moves a temporary file to its place. One that several keys share is read for each instead.
            default_storage.save(key, content if uses[content] == 1 else File(content.file, content.name))
        yield
    except BaseException:
        for key in new:
            default_storage.delete(key)
        retention.forget_uploads(new)
        raise


def _refuse(role: str, message: str, next_step: str) -> Invalid:
    return Invalid(f"invalid_{role}", message, next_step=next_step, field=role)
