"""What people may type on the account pages. Shape only: the rules are the services'."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.origins import LONGEST, MOST_ORIGINS, read_origins
from accounts.roles import Role, Scope
from loremotion.refusals import Invalid, Refusal

GIVEN_ROLES = [(role.value, role.label) for role in Role if role != Role.OWNER]


def end_of_day(day: date | None) -> datetime | None:
    """When the day is over; None of none."""
    return datetime.combine(day + timedelta(days=1), time(), timezone.get_current_timezone()) if day else None


class NameForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)


class PrivacyForm(forms.Form):
    is_private = forms.TypedChoiceField(
        choices=[("no", gettext_lazy("The whole team")), ("yes", gettext_lazy("Their maker and the owner"))],
        coerce=lambda said: said == "yes",
        label=gettext_lazy("Who can see new clips"),
        help_text=gettext_lazy("You can change this for each clip."),
    )


class InviteForm(forms.Form):
    email = forms.EmailField(label=gettext_lazy("Email address"))
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=GIVEN_ROLES, initial=Role.MEMBER)


class CapsForm(forms.Form):
    """What somebody, or a key, may spend of the shared credits."""

    daily_cap_credits = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=2**31 - 1,
        label=gettext_lazy("Daily limit in credits"),
        help_text=gettext_lazy("A day begins at 00:00 UTC. Leave empty for no limit."),
    )
    monthly_cap_credits = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=2**31 - 1,
        label=gettext_lazy("Monthly limit in credits"),
        help_text=gettext_lazy("Leave empty for no limit."),
    )


class KeyTermsForm(CapsForm):
    """What of a key can be changed."""

    origins = forms.CharField(
        required=False,
        max_length=MOST_ORIGINS * (LONGEST + 1),
        label=gettext_lazy("Browser origins"),
        help_text=gettext_lazy(
            "Only for apps that run in a browser: where their pages are, such as https://app.example. The key "
            "then works from those pages alone. Put spaces between several. Leave empty for a server or a program."
        ),
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )

    def clean_origins(self) -> list[str]:
        try:
            return read_origins(self.cleaned_data["origins"])
        except Invalid as refusal:
            raise forms.ValidationError(str(refusal)) from None


class MembershipForm(CapsForm):
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=GIVEN_ROLES)


class KeyForm(KeyTermsForm):
    field_order: tuple[str, ...] = ("name", "scopes")
    name = forms.CharField(label=gettext_lazy("Name"), max_length=80, help_text=gettext_lazy("What it's for."))
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        initial=[Scope.GENERATE],
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("Permissions"),
    )
    expires_on = forms.DateField(
        required=False,
        label=gettext_lazy("Expires"),
        help_text=gettext_lazy("At the end of that day. Leave empty to keep it until you revoke it."),
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )

    def add_refusal(self, refusal: Refusal) -> None:
        """Show why no such key can be made, at its field where it is about one."""
        field = {"expires_at": "expires_on"}.get(refusal.field or "", refusal.field)
        self.add_error(field if field in self.fields else None, str(refusal))

    def terms(self) -> dict[str, Any]:
        """The valid form as ``api_keys.issue`` takes it."""
        said = self.cleaned_data
        return {
            "name": said["name"],
            "scopes": said["scopes"],
            "daily_cap_credits": said["daily_cap_credits"],
            "monthly_cap_credits": said["monthly_cap_credits"],
            "expires_at": end_of_day(said["expires_on"]),
            "origins": said.get("origins"),
        }


class DeviceForm(KeyForm):
    """The terms of a device's key, and the end of its code. A link may hold the whole code, so that somebody presses a
    button for a device which they never saw; whoever has it at hand reads the letters off it."""

    field_order = ("ending", *KeyForm.field_order)
    ending = forms.CharField(
        max_length=20,
        label=gettext_lazy("The last four letters of the code"),
        help_text=gettext_lazy("As the device shows them, not as a message or a link says."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, ending: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = ending
        del self.fields["origins"]  # a device is no page in a browser

    def clean_ending(self) -> str:
        typed = "".join(letter for letter in self.cleaned_data["ending"].upper() if letter.isalpha())
        if typed != self.expected:
            raise forms.ValidationError(_("The code of the device ends in other letters."))
        return typed


class ConfirmForm(forms.Form):
    """Typing the word keeps a slip from doing what cannot be undone at once."""

    word = forms.CharField(max_length=120)

    def __init__(self, *args: Any, word: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = word
        self.fields["word"].label = _("Type %(word)s to confirm") % {"word": word}

    def clean_word(self) -> str:
        typed: str = self.cleaned_data["word"]
        if typed.strip() != self.expected:
            raise forms.ValidationError(_("Type %(word)s exactly.") % {"word": self.expected})
        return typed
