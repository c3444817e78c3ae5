"""The bodies that ask for a clip, drawn from what may be said (``catalog.requests.Ask``) and from what a clip may start
from (``ROLES``): a field that is added there is taken here, and stands in the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING
from functools import cache
from typing import Any, Final, get_type_hints
from uuid import UUID

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils import translation
from rest_framework import serializers
from rest_framework.utils.serializer_helpers import BindingDict

from catalog.requests import Ask, wordings
from generation.api.base import unknown_field
from generation.characters.models import MOST_NAME_CHARACTERS
from generation.submission import characters, remote_files, uploads
from generation.submission.batch import MOST_TAKES
from gpu_worker.families import ROLES, Kind
from loremotion.refusals import Invalid

CLIP_ROLES: Final = tuple(
    name for name, role in ROLES.items() if role.kind in (Kind.CLIP, Kind.SOUND) or name == "mask"
)
"""What may also be named by the id of a clip of the caller's own."""
ROLES_ALSO_CALLED: Final[dict[str, str]] = {
    other: role
    for role, others in {
        "image": "prompt_image input_image init_image start_image seed_image first_image first_frame "
        "image_url image_uri first_frame_image start_image_url",
        "last_image": "end_image image_end tail_image image_tail last_frame end_frame last_frame_image end_image_url",
        "video": "video_url video_uri input_video source_video video_id",
        "audio": "audio_url audio_uri",
        "mask": "mask_url mask_image mask_video",
        "control_video": "control_video_url pose_video depth_video motion_video",
        "reference_image": "reference_images reference_image_url subject_image subject_reference",
    }.items()
    for other in others.split()
}
"""What other APIs call what a clip starts from, by which a refusal of their names finds ours."""
_USER_REF_ALSO_CALLED: Final = (
    "user",
    "user_id",
    "end_user_id",
    "external_id",
    "external_task_id",
    "safety_identifier",
)
LONGEST_USER_REF: Final = 200
REFERENCE: Final = "input_reference"
"""OpenAI's word for the first picture."""


class NumberField(serializers.FloatField):
    """A finite number; Python would take ``true`` for one."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class PrivacyField(serializers.BooleanField):
    """True, false or null. DRF takes an empty text for null, and a team would see what was meant for nobody."""

    NULL_VALUES: set[Any] = {None}


_KINDS: Final[Mapping[type, type[serializers.Field[Any, Any, Any, Any]]]] = {
    str: serializers.CharField,
    float: NumberField,
    int: serializers.IntegerField,
}


class InputField(serializers.Field[Any, Any, Any, Any]):
    """What a clip starts from: a file, its address or data URI, or for some roles the id of an own clip, also as
    ``{"id": …}``."""

    def __init__(self, *, takes_clips: bool, **kwargs: Any) -> None:
        super().__init__(required=False, allow_null=True, **kwargs)
        self.takes_clips = takes_clips

    def to_internal_value(self, said: Any) -> UploadedFile[Any] | str:
        if isinstance(said, UploadedFile):
            return said
        role = str(self.field_name)
        if isinstance(said, Mapping) and role == REFERENCE and set(said) == {"image_url"}:
            said = said["image_url"]  # as OpenAI writes it
        if isinstance(said, str) and remote_files.is_named(said):
            return said
        if isinstance(said, Mapping):
            for name in said:
                if name != "id" or not self.takes_clips:
                    raise unknown_field(f"{role}[{name}]", field=role, next_step=self._how_to_send())
            said = said.get("id")
        if self.takes_clips and isinstance(said, str) and _is_id(said):
            return said
        what = "the id of a clip of yours, or a file" if self.takes_clips else "a file"
        raise Invalid(f"invalid_{role}", f"{role} is {what}.", next_step=self._how_to_send(), field=role)

    def _how_to_send(self) -> str:
        file = f"Send the file itself as {self.field_name} in multipart/form-data, its https:// address or a data URI"
        return f"{file}, or the id of a finished clip of yours." if self.takes_clips else f"{file}."


def _is_id(said: str) -> bool:
    try:
        UUID(said)
    except ValueError:
        return False
    return True


class CharacterField(serializers.Field[Any, Any, Any, Any]):
    """One character: its id or name, or OpenAI's ``{"id": …}``."""

    def to_internal_value(self, said: Any) -> str:
        if isinstance(said, Mapping) and len(said) == 1:
            said = said.get("id", said.get("name"))
        if not isinstance(said, str) or not said.strip():
            raise Invalid(
                "invalid_characters",
                "characters are named by their ids or names.",
                next_step='Send a list such as [{"id": "…"}].',
                field="characters",
            )
        return said


class AskSerializer(serializers.Serializer[Any]):
    """The body of ``POST /v1/videos``, as JSON or multipart. Shape only; the model decides what it can serve."""

    ALSO_CALLED: Final = (
        ROLES_ALSO_CALLED
        | {other: name for name, (_, wording) in wordings().items() for other in wording.also_called}
        | dict.fromkeys(("num_videos", "num_outputs", "number_of_videos", "sample_count", "batch_size"), "n")
        | dict.fromkeys(_USER_REF_ALSO_CALLED, "user_ref")
    )

    private = PrivacyField(
        required=False,
        allow_null=True,
        help_text="Whether others of the team do not see it; left out, the team's default.",
    )
    user_ref = serializers.CharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=LONGEST_USER_REF,
        help_text="Your own name for it, such as a user's or an order's: in `lm.user_ref`, and to list clips by.",
    )

    carry_credentials = serializers.BooleanField(
        required=False,
        allow_null=True,
        help_text="Whether Content Credentials (C2PA) that its files have go into the clip's own, for whoever gets it; "
        "else that says of such a file no more than its digest.",
    )
    max_credits = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        help_text="The most that it may cost; what costs more is refused, and nothing is made.",
    )
    character = serializers.CharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=MOST_NAME_CHARACTERS,
        help_text="Whom the clip shows: a character of yours by id or name. Its pictures are reference pictures.",
    )
    characters = serializers.ListField(
        child=CharacterField(),
        required=False,
        allow_null=True,
        max_length=len(characters.NAMED),
        help_text='Several of them, each as `{"id": …}` or by its id or name. Together they have at most 3 pictures.',
    )
    draft = serializers.BooleanField(
        required=False,
        allow_null=True,
        help_text="Whether a draft of it is made: the same seed with fewer steps, for less. "
        "`POST /v1/videos/{id}/finish` makes the whole clip for the difference.",
    )
    n = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MOST_TAKES,
        help_text="How many clips, each with another seed: all are made, or none. Of several, the answer is a list.",
    )

    @property
    def fields(self) -> BindingDict:
        """The same objects for every body: they keep nothing of one, and making them takes longer than checking it."""
        return _fields_of(type(self))

    @property
    def _writable_fields(self) -> list[serializers.Field[Any, Any, Any, Any]]:
        """Those that were sent or have to be: DRF would ask each of the others, to hear that it has no value."""
        sent = self.initial_data
        return [
            field
            for name, field in self.fields.items()
            if not field.read_only and (field.required or not isinstance(sent, Mapping) or name in sent)
        ]

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        with translation.override(settings.LANGUAGE_CODE):  # kept for the process, whose first reader may be a page's
            roles = {
                name: InputField(
                    takes_clips=name in CLIP_ROLES, help_text=f"{role.title}: {uploads.describe_wanted(role.kind)}."
                )
                for name, role in ROLES.items()
            }
        reference = InputField(takes_clips=False, help_text="OpenAI's word for `image`.")
        return {**_asked_fields(), **super().get_fields(), **roles, REFERENCE: reference}


class FromVideoSerializer(AskSerializer):
    """The same for what begins with a clip: the address says the mode, and ``video`` is needed."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        found = super().get_fields()
        del found["mode"]
        found["video"].required = True
        return found


class RemixSerializer(FromVideoSerializer):
    """The same where the address names the clip, too."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        found = super().get_fields()
        del found["video"]
        return found


class AskInBatchSerializer(AskSerializer):
    """One clip of several that are asked for together."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        found = super().get_fields()
        del found["n"], found["max_credits"]
        return found


@cache
def _fields_of(body: type[AskSerializer]) -> BindingDict:
    of = body()
    made = BindingDict(of)
    for name, field in of.get_fields().items():
        made[name] = field
    return made


@cache
def _kinds() -> dict[str, Any]:
    return get_type_hints(Ask)


def _asked_fields() -> dict[str, serializers.Field[Any, Any, Any, Any]]:
    hints = _kinds()
    found = {}
    for name, (declared, wording) in wordings().items():
        kind = next(kind for kind in _KINDS if hints[name] in (kind, kind | None))
        options: dict[str, Any] = {"help_text": wording.description}
        if declared.default is MISSING:
            options |= {"required": True}
        else:
            options |= {"required": False, "allow_null": hints[name] != kind}
        if kind is str:
            options |= {"max_length": wording.longest, "allow_blank": wording.longest is None}
            options["trim_whitespace"] = wording.longest is not None  # a prompt is kept as it came
        else:
            options |= {"min_value": wording.least, "max_value": wording.most}
        found[name] = _KINDS[kind](**options)
    return found
