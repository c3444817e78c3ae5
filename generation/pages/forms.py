"""The generate form, drawn from the enabled models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.http import QueryDict
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy

from accounts.models import Workspace
from catalog.models import Model, ModelVersion
from catalog.requests import MAX_SEED, Ask
from catalog.selection import chosen_of, version_for
from generation.submission.batch import MOST_CLIPS, number_in_words
from generation.submission.characters import REFERENCES
from gpu_worker.families import ROLES

OF_ONE_MODEL: Final = ("seconds", "size", "preset", "way")
"""Options that are said in one model's words, and mean nothing to another."""
TIMES: Final = (1, 2, 4)
START_FRAME: Final = "image"
"""The role of which several may be given: a clip is made of each."""
SEEN_BY = [("team", gettext_lazy("The whole team")), ("maker", gettext_lazy("Only me and the owner"))]

_NOT_ASKED: Final = (
    *("video", "character", "seen_by", "way", "times", "frames", "draft", "sending"),
    *("carry_credentials", "credentials_known"),
)
"""Fields that are no part of ``Ask``."""


def values_of(sent: Mapping[str, Any], slug: str) -> dict[str, Any]:
    """What was sent, with the options of the model ``slug`` under their plain names. On the page each model has chips
    of its own, ``ltx-size`` beside ``wan-size``: under one name only one chip of them all could be chosen."""
    own = {name: sent[f"{slug}-{name}"] for name in OF_ONE_MODEL if f"{slug}-{name}" in sent}
    return {**{name: sent[name] for name in sent}, **own}


def sent_values(query: QueryDict, models: list[Model]) -> dict[str, Any]:
    """What was sent, with the options of the model that it names, or else of the default."""
    model = chosen_of(models, query.get("model", ""))
    return values_of(query.dict(), model.slug if model is not None else "")


def is_taken(role: str, *, way: str, version: ModelVersion) -> bool:
    """Whether a clip made this ``way`` begins with what is given in ``role``. Where no mode is named, all is taken."""
    if way not in version.modes or role not in ROLES:
        return True
    facts = version.family_facts.modes[way]
    return role in (*facts.needs, *facts.accepts)


class GenerateForm(forms.Form):
    """Shape only. Whether the values can be served is ``catalog.requests.resolve``'s to say, here and in the API."""

    prompt = forms.CharField(widget=forms.Textarea(attrs={"rows": 3, "autocapitalize": "sentences"}), strip=False)
    model = forms.ChoiceField(required=False)
    seconds = forms.FloatField(required=False, widget=forms.NumberInput(attrs={"step": "any"}))
    size = forms.CharField(required=False, max_length=12)
    preset = forms.CharField(required=False, max_length=40)
    negative_prompt = forms.CharField(required=False)
    seed = forms.IntegerField(required=False, min_value=0, max_value=MAX_SEED)
    steps = forms.IntegerField(required=False, min_value=1)
    """Denoising steps, where the preset's own are not wanted."""
    seen_by = forms.ChoiceField(required=False, choices=[("", gettext_lazy("As the team does")), *SEEN_BY])
    """Of a team's clip."""
    way = forms.CharField(required=False, max_length=20)
    """The mode whose chip is chosen. What is given for another is left out: what begins a clip decides its mode."""
    times = forms.ChoiceField(required=False, choices=[(str(number), f"×{number}") for number in TIMES])
    """How many clips of it are made, or of each start frame, with a seed each."""
    frames = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST_CLIPS,
        error_messages={"max_value": lazy(number_in_words, str)()},
        widget=forms.HiddenInput,
    )
    """How many start frames the price was shown for: each is a clip's."""
    draft = forms.BooleanField(required=False)
    """Whether a draft of it is made, to be finished for the difference."""
    carry_credentials = forms.BooleanField(required=False)
    """Whether Content Credentials that the files have go into the clip's own."""
    credentials_known = forms.BooleanField(required=False, widget=forms.HiddenInput)
    """Whether that was asked: the form does once a file has some."""
    sending = forms.CharField(required=False, max_length=36, widget=forms.HiddenInput)
    """Names this sending of the form, so that several clips sent twice are made once."""
    video = forms.CharField(required=False, max_length=36, widget=forms.HiddenInput)
    """Id of the caller's own clip that the new one continues or changes."""
    character = forms.CharField(required=False, max_length=80, widget=forms.HiddenInput)
    """Id or name of the caller's own character, in place of reference pictures."""

    def __init__(self, *args: Any, models: list[Model], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.models = models
        model = self.fields["model"]
        assert isinstance(model, forms.ChoiceField)
        model.choices = [("", gettext_lazy("Default")), *((m.slug, m.name) for m in models)]

    def ask(self) -> Ask:
        """The request that the valid form makes, blanks left to the model's defaults."""
        said = {name: value for name, value in self.cleaned_data.items() if value not in ("", None)}
        for name in _NOT_ASKED:
            said.pop(name, None)
        return Ask(**said)

    def clip_count(self) -> int:
        """How many clips the valid form asks for, of each start frame."""
        return int(self.cleaned_data["times"] or 1)

    def frame_count(self) -> int:
        """How many start frames the valid form says it has, or else 1."""
        return int(self.cleaned_data["frames"] or 1)

    def takes(self, role: str, workspace: Workspace | None) -> bool:
        """Whether the clip that the valid form asks for begins with what is given in ``role``."""
        model = chosen_of(self.models, self.cleaned_data["model"])
        if model is None:
            return True
        version = version_for(model, workspace.id if workspace is not None else None)
        return is_taken(role, way=self.cleaned_data["way"], version=version)

    def clips(self, workspace: Workspace | None) -> dict[str, str]:
        """What the clip begins with of the workspace's own: a clip, or a character."""
        own = {"video": "video", "character": REFERENCES[0]}
        said = {name: role for name, role in own.items() if self.cleaned_data.get(name)}
        return {name: self.cleaned_data[name] for name, role in said.items() if self.takes(role, workspace)}

    def is_private(self) -> bool | None:
        """Whether the clip is asked to be private; None where the form does not say."""
        said = self.cleaned_data.get("seen_by")
        return said == "maker" if said else None
