"""What people may type about an endpoint. Shape only: the rules are the services'."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy

from generation.webhooks.endpoints import LONGEST_URL
from generation.webhooks.video_events import TYPES

WHEN = {
    "video.completed": gettext_lazy("a clip is ready"),
    "video.failed": gettext_lazy("a clip failed"),
    "video.cancelled": gettext_lazy("somebody cancelled a clip"),
    "video.blocked": gettext_lazy("a finished clip broke the rules and was withheld"),
    "spending.alert": gettext_lazy("much of a limit on spending is used"),
}
"""When an event is sent, by its type."""


class EndpointForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=80, help_text=gettext_lazy("What it's for."))
    url = forms.CharField(
        max_length=LONGEST_URL,
        label=gettext_lazy("Address"),
        widget=forms.URLInput(attrs={"placeholder": "https://example.org/hooks"}),
    )
    event_types = forms.MultipleChoiceField(
        choices=[(kind, format_lazy("{}: {}", kind, WHEN[kind])) for kind in TYPES],
        initial=list(TYPES),
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("Events"),
        help_text=gettext_lazy(
            "If you leave out the events for cancelled or blocked clips, those arrive as video.failed."
        ),
    )

    def terms(self) -> dict[str, Any]:
        """The valid form as ``endpoints.create`` and ``change`` take it."""
        return {name: self.cleaned_data[name] for name in ("name", "url", "event_types")}
