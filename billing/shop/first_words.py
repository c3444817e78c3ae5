"""What the first plans and packs say of themselves, so that it is translated while staff leaves it as it came.

As ``catalog.seed_words``.
"""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_noop

WORDS: Final = (
    gettext_noop("A few clips every day, free."),
    gettext_noop("For one person who makes clips every week."),
    gettext_noop("For a small team that shares clips and credits."),
    gettext_noop("For companies that make video all day."),
    gettext_noop("Free credits every day"),
    gettext_noop("Open models"),
    gettext_noop("A receipt for every credit"),
    gettext_noop("No watermark"),
    gettext_noop("API keys"),
    gettext_noop("Members with roles and caps"),
    gettext_noop("500 credits"),
    gettext_noop("2,200 credits"),
    gettext_noop("6,000 credits"),
)
