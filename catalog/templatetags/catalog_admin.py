"""Values of a version as staff read them."""

from __future__ import annotations

from typing import Any

import yaml
from django import template

register = template.Library()


@register.filter
def as_yaml(value: Any) -> str:
    """A number or word as it is, a list or mapping as one line of YAML, nothing as a dash."""
    if value in (None, "", [], {}):
        return "–"
    if isinstance(value, (list, dict)):
        return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=True, width=10_000).strip()
    return str(value)


@register.filter
def percent(share: float) -> str:
    """0.375 as 37 %."""
    return f"{share:.0%}".replace("%", " %")


@register.filter
def before_colon(text: str) -> str:
    """The heading of a section without what it lists."""
    return text.partition(":")[0]
