"""Sizes in pixels, in templates."""

from __future__ import annotations

from django import template

from catalog import sizes

register = template.Library()


@register.filter
def pixels(size: object, height: int | None = None) -> str:
    """Return a size as people read it: ``{{ "1280x720"|pixels }}``, or ``{{ width|pixels:height }}``."""
    return sizes.in_words(str(size) if height is None else f"{size}x{height}")
