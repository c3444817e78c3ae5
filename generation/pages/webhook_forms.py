"""What people may type about an endpoint. Shape only: the rules are the services'."""

from __future__ import annotations

from typing import Any

from django import forms

from generation.webhooks.endpoints import LONGEST_URL
from generation.webhooks.video_events import TYPES


class EndpointForm(forms.Form):
    name = forms.CharField(max_length=80, help_text="What it's for.")
    url = forms.CharField(
        max_length=LONGEST_URL,
        label="Address",
        widget=forms.URLInput(attrs={"placeholder": "https://example.org/hooks"}),
    )
    event_types = forms.MultipleChoiceField(
        choices=[(kind, kind) for kind in TYPES],
        initial=list(TYPES),
        widget=forms.CheckboxSelectMultiple,
        label="Events",
        help_text="If you leave out the events for cancelled or blocked clips, those arrive as video.failed.",
    )

    def terms(self) -> dict[str, Any]:
        """The valid form as ``endpoints.create`` and ``change`` take it."""
        return {name: self.cleaned_data[name] for name in ("name", "url", "event_types")}
