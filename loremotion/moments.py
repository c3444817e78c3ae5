"""Moments in templates: ``<time>`` elements that read well as they are, and that ``time.js`` makes local.

``{% ago moment %}`` for what just happened, ``{% moment at %}`` for a day and an hour, ``{% day at %}`` for a day.
"""

from __future__ import annotations

from datetime import datetime

from django import template
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

register = template.Library()


@register.simple_tag
def ago(at: datetime) -> SafeString:
    """How long ago ``at`` was, or how soon it will be."""
    return _time(at, "ago", str(naturaltime(at)))


@register.simple_tag
def moment(at: datetime, *, with_zone: bool = False) -> SafeString:
    """Day, hour and minute; with their zone also once they are the reader's own."""
    return _time(
        at,
        "zoned" if with_zone else "moment",
        f"{date_format(localtime(at), 'DATETIME_FORMAT')} {localtime(at).tzname()}",
    )


@register.simple_tag
def day(at: datetime) -> SafeString:
    """Day, month and year."""
    return _time(at, "day", date_format(localtime(at), "DATE_FORMAT"))


@register.simple_tag
def clock(at: datetime) -> SafeString:
    """Hour, minute and zone of a moment within the next day."""
    return _time(at, "clock", f"{date_format(localtime(at), 'TIME_FORMAT')} {localtime(at).tzname()}")


def _time(at: datetime, kind: str, words: str) -> SafeString:
    return format_html('<time datetime="{}" data-as="{}">{}</time>', at.isoformat(), kind, words)
