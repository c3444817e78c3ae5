"""Values as staff reads them in the admin."""

from __future__ import annotations

from typing import Any, Final

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models.options import Options

from loremotion import staff_sections

register = template.Library()

LOOKS: Final = {
    **{"succeeded": "good", "failed": "bad", "blocked": "bad", "cancelled": "away", "running": "at-work"},
    **{"sent": "good", "done": "good", "dead": "bad"},
}
"""State of a clip, and of what is sent or heard → how the dot beside it looks: see static/admin.css."""


@register.filter
def look(state: str) -> str:
    """The class of the dot beside a state; none for those that wait."""
    return LOOKS.get(state, "")


@register.filter
def signed(amount: int) -> str:
    """1200 as +1,200, -2 as −2, and nothing of what did not change."""
    if not amount:
        return ""
    sign = "+" if amount > 0 else "\N{MINUS SIGN}"
    return f"{sign}{intcomma(abs(amount))}"


@register.filter
def as_words(event: str) -> str:
    """``workspace.begun`` as Workspace begun."""
    return event.replace(".", " ").replace("_", " ").capitalize()


@register.filter
def section(opts: Options[Any]) -> str:
    """The section of the side bar in which a model's rows stand."""
    return staff_sections.section_of(opts.app_label, opts.model_name or "")


@register.filter
def question_of(action: str, page: Any) -> str:
    """What a list asks before it does an action to chosen rows: what the button in a row asks. Empty: nothing."""
    acts = getattr(page, "row_acts", {})
    return acts[action].question if action in acts else ""
