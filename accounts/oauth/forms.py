"""What somebody agrees to when they connect an app."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from allauth.idp.oidc.forms import AuthorizationForm
from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.forms import CapsForm, end_of_day
from accounts.models import Membership
from loremotion.refusals import Refusal

PROPOSED_DAILY_CAP: Final = 100
"""Credits. An app acts while nobody looks, so one that may spend everything is somebody's decision."""


class ConsentForm(CapsForm, AuthorizationForm):
    field_order = ("request", "workspace", "scopes", "daily_cap_credits", "monthly_cap_credits", "expires_on")
    workspace = forms.ChoiceField(
        label=gettext_lazy("Workspace"),
        help_text=gettext_lazy("The app sees and pays for clips of this workspace alone."),
    )
    expires_on = forms.DateField(
        required=False,
        label=gettext_lazy("Expires"),
        help_text=gettext_lazy("At the end of that day. Leave empty to keep it connected until you disconnect it."),
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )

    def __init__(self, *args: Any, places: Sequence[Membership], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._places = {str(place.workspace_id): place for place in places}
        workspace = self.fields["workspace"]
        assert isinstance(workspace, forms.ChoiceField)
        workspace.choices = [(id_, place.workspace.title) for id_, place in self._places.items()]
        self.fields["scopes"].label = _("What it may do")
        self.fields["daily_cap_credits"].initial = PROPOSED_DAILY_CAP
        self.order_fields(self.field_order)

    def clean_workspace(self) -> Membership:
        return self._places[self.cleaned_data["workspace"]]

    def clean_expires_on(self) -> datetime | None:
        ends = end_of_day(self.cleaned_data["expires_on"])
        if ends is not None and ends <= timezone.now():
            raise forms.ValidationError(_("That date has passed. Choose a later one."))
        return ends

    def add_refusal(self, refusal: Refusal) -> None:
        """Show why it cannot be connected so."""
        self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))
